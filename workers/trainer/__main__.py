from workers.trainer.main import main

main()
