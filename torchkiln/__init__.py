"""torchkiln: the client of the service, and the `torchkiln` command.

>>> from torchkiln import Client
>>> with Client("http://127.0.0.1:8000") as client:
...     job = client.jobs.submit("image-classification", params={"epochs": 5})
...     job = client.jobs.wait(job["id"])
...     client.predict("image-classification", rows)["labels"]
"""

from torchkiln.client import Client
from torchkiln.errors import TorchkilnError

__all__ = ["Client", "TorchkilnError"]
