"""What the servers beside an environment say of it: samples at Prometheus, traces, alerts, data behind dashboards."""
