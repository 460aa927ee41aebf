"""What goes over HTTP, as pydantic models: one file a resource. OpenAPI is made of them."""
