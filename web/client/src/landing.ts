// The landing page: puts this server's own name into the examples, and opens a stream by its id.

import { byId } from "./dom.ts";

for (const place of document.querySelectorAll("[data-host]")) {
  place.textContent = location.hostname;
}
for (const place of document.querySelectorAll("[data-origin]")) {
  place.textContent = location.origin;
}

byId("open", HTMLFormElement).addEventListener("submit", (event) => {
  event.preventDefault();
  const id = byId("stream-id", HTMLInputElement).value.trim();
  if (id !== "") {
    location.assign(`/watch/${encodeURIComponent(id)}`);
  }
});
