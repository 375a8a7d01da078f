// Files that the bundler copies below /assets/ and replaces by their paths.
declare module "hls.js/dist/hls.worker.js" {
  const path: string;
  export default path;
}

declare module "swagger-ui-dist/swagger-ui-es-bundle.js.LICENSE.txt" {
  const path: string;
  export default path;
}

// Swagger UI comes without types: what the API's page uses of it.
declare module "swagger-ui-dist/swagger-ui-es-bundle.js" {
  /** What a plugin is given. */
  export interface System {
    React: { createElement(type: string, props: { className: string }, ...children: string[]): unknown };
  }
  export default function SwaggerUI(options: {
    domNode: Element;
    url: string;
    validatorUrl: null;
    deepLinking: boolean;
    displayRequestDuration: boolean;
    defaultModelsExpandDepth: number;
    tryItOutEnabled: boolean;
    plugins: ((system: System) => object)[];
    onComplete: () => void;
  }): void;
}
