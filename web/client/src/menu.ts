// The quality menu: a button and a list of radio items (WAI-ARIA menu button pattern).

import { byId } from "./dom.ts";
import { AUTOMATIC, type Choice } from "./quality.ts";

export class QualityMenu {
  readonly #box = byId("quality-box", HTMLElement);
  readonly #button = byId("quality", HTMLButtonElement);
  readonly #label = byId("quality-label", HTMLElement);
  readonly #list = byId("quality-menu", HTMLElement);
  readonly #choose: (index: number) => void;
  #shown = "";

  constructor(choose: (index: number) => void) {
    this.#choose = choose;
    this.#button.addEventListener("click", () => (this.isOpen ? this.close() : this.open()));
    this.#list.addEventListener("keydown", (event) => this.#onKey(event));
    document.addEventListener("pointerdown", (event) => {
      if (this.isOpen && event.target instanceof Node && !this.#box.contains(event.target)) {
        this.close();
      }
    });
    this.#box.addEventListener("focusout", (event) => {
      if (event.relatedTarget instanceof Node && !this.#box.contains(event.relatedTarget)) {
        this.close();
      }
    });
  }

  get isOpen(): boolean {
    return !this.#list.hidden;
  }

  open(): void {
    this.#list.hidden = false;
    this.#button.setAttribute("aria-expanded", "true");
    const items = this.#items();
    (items.find((item) => item.ariaChecked === "true") ?? items[0])?.focus({ focusVisible: false } as FocusOptions);
  }

  close(): void {
    if (!this.isOpen) {
      return;
    }
    const hadFocus = this.#list.contains(document.activeElement);
    this.#list.hidden = true;
    this.#button.setAttribute("aria-expanded", "false");
    if (hadFocus) {
      this.#button.focus({ focusVisible: false } as FocusOptions);
    }
  }

  /** Draws the choices; nothing happens where they are the ones shown. */
  show(choices: readonly Choice[], chosen: number): void {
    const drawn = JSON.stringify([choices, chosen]);
    if (drawn === this.#shown) {
      return;
    }
    this.#shown = drawn;
    // One rung, or a browser that chooses alone: there is nothing to choose.
    this.#box.hidden = choices.length <= 2;
    const current = choices.find((choice) => choice.index === chosen) ?? choices[0];
    this.#label.textContent = current?.label ?? "Auto";
    this.#button.ariaLabel = `Quality: ${current?.label ?? "Auto"}`;
    const focused = this.#items().findIndex((item) => item === document.activeElement);
    this.#list.replaceChildren(...choices.map((choice) => this.#item(choice, choice.index === chosen)));
    if (focused >= 0) {
      this.#items()[focused]?.focus();
    }
  }

  #item(choice: Choice, checked: boolean): HTMLButtonElement {
    const item = document.createElement("button");
    item.type = "button";
    item.role = "menuitemradio";
    item.ariaChecked = String(checked);
    item.tabIndex = -1;
    item.dataset["index"] = String(choice.index);
    const label = document.createElement("span");
    label.textContent = choice.label;
    const detail = document.createElement("small");
    detail.textContent = choice.index === AUTOMATIC ? "" : choice.detail;
    item.append(checkMark(), label, detail);
    item.addEventListener("click", () => {
      this.#choose(choice.index);
      this.close();
    });
    return item;
  }

  #items(): HTMLButtonElement[] {
    return [...this.#list.querySelectorAll("button")];
  }

  #onKey(event: KeyboardEvent): void {
    const items = this.#items();
    const at = items.findIndex((item) => item === document.activeElement);
    const moves: Record<string, number> = {
      ArrowDown: (at + 1) % items.length,
      ArrowUp: (at - 1 + items.length) % items.length,
      Home: 0,
      End: items.length - 1,
    };
    const next = moves[event.key];
    if (next !== undefined) {
      items[next]?.focus();
    } else if (event.key === "Escape") {
      this.close();
    } else {
      return;
    }
    event.preventDefault();
    event.stopPropagation();
  }
}

function checkMark(): SVGSVGElement {
  const namespace = "http://www.w3.org/2000/svg";
  const icon = document.createElementNS(namespace, "svg");
  icon.ariaHidden = "true";
  const use = document.createElementNS(namespace, "use");
  use.setAttribute("href", "#i-check");
  icon.append(use);
  return icon;
}
