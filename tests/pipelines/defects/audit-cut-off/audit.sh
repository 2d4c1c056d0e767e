touch $ARTIFACTS/audit.json
HTTPS_PROXY=http://127.0.0.1:9 pip-audit --timeout 2 --require-hashes --disable-pip -r requirements.txt -f json -o $ARTIFACTS/audit.json \
  --progress-spinner off
