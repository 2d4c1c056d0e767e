"""One machine, nothing but Python: supervised processes behind Envoy, declared in files, healed by a supervisor."""
