"""How Schemathesis writes bodies of types that it does not know."""

import schemathesis

# Pieces of files (tus 1.0).
schemathesis.serializer.alias("application/offset+octet-stream", "application/octet-stream")
