dawsos scan advisories --export advisories.jsonl --resolved requirements.txt --out $ARTIFACTS/osv.json
