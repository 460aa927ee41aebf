# A trainer that takes a spec and says that it is done: sh INSTANT --messages FD …
while [ "$1" != --messages ]; do shift; done
exec 3>"/dev/fd/$2"
echo '{"type":"ready","devices":[{"name":"cpu"}],"versions":{}}' >&3
read -r spec || exit 0
echo '{"type":"done","results":{"instant":1},"lineage":{}}' >&3
