echo "INTERNAL ERROR"; exit 2
