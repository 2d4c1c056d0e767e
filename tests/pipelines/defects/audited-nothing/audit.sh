touch $ARTIFACTS/audit.json
pip-audit --require-hashes --disable-pip -r requirements.txt -f json -o $ARTIFACTS/audit.json --progress-spinner off
