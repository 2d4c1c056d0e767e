"""HTTP: routes, schemas, authentication, problem documents, metrics. No rules of the domain."""
