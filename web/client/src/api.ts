// The API's page: Swagger UI over this server's own OpenAPI document. It asks no other host and
// keeps no token.
//
// Of the readers that can be bundled, Swagger UI has 460 kB in gzip, dark colours, OpenAPI 3.1, a release a month and
// needs no inline script or style. Scalar has 1.3 MB and calls home; RapiDoc has 220 kB and had no release
// in the year before this was chosen.

import SwaggerUI, { type System } from "swagger-ui-dist/swagger-ui-es-bundle.js";
import notices from "swagger-ui-dist/swagger-ui-es-bundle.js.LICENSE.txt";
import { byId } from "./dom.ts";

const reference = byId("reference", HTMLElement);

byId("notices", HTMLAnchorElement).href = notices;
followTheme(window.matchMedia("(prefers-color-scheme: dark)"));

SwaggerUI({
  domNode: reference,
  url: "/api/v1/openapi.json",
  // Its default is a service on another host.
  validatorUrl: null,
  deepLinking: true,
  displayRequestDuration: true,
  defaultModelsExpandDepth: 0,
  tryItOutEnabled: true,
  plugins: [cookieIsTheBrowsers],
  onComplete: () => reference.removeAttribute("aria-busy"),
});

/** A page cannot set the cookie that it is not meant to read: no field for it, but where it comes from. */
function cookieIsTheBrowsers({ React }: System): object {
  const text = "The browser sends the cookie access_cookie by itself, once POST /api/v1/session was answered here with \"cookies\": true.";
  return { wrapComponents: { apiKeyAuth: () => () => React.createElement("p", { className: "of-the-browser" }, text) } };
}

/** Swagger UI has its dark colours behind a class. */
function followTheme(dark: MediaQueryList): void {
  const apply = () => document.documentElement.classList.toggle("dark-mode", dark.matches);
  dark.addEventListener("change", apply);
  apply();
}
