"""Files of other tools, made from the pipeline: CI workflows, Flagger manifests, alert rules, dashboards."""
