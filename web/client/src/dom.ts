// Finding the page's own elements.

/** The element with this id; the page is ours, so a missing one is a fault of the build. */
export function byId<T extends Element>(id: string, type: new () => T): T {
  const element = document.getElementById(id);
  if (!(element instanceof type)) {
    throw new Error(`the page has no ${type.name} #${id}`);
  }
  return element;
}

/** Sets or removes a data attribute on <body>, where the styles and the tests read it. */
export function flag(name: string, value: string | null): void {
  if (value === null) {
    document.body.removeAttribute(`data-${name}`);
  } else if (document.body.getAttribute(`data-${name}`) !== value) {
    document.body.setAttribute(`data-${name}`, value);
  }
}
