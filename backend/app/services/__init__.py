"""Use cases. They speak to the outside only through the Protocols in `ports` and never import `app.storage`."""
