// Light and dark: as the system says, until the button says otherwise.

export function setupTheme(button: HTMLElement): void {
  const root = document.documentElement;
  const system = matchMedia("(prefers-color-scheme: dark)");
  const dark = (): boolean => (root.dataset.theme ? root.dataset.theme === "dark" : system.matches);
  const show = (): void => button.setAttribute("aria-pressed", String(dark()));
  button.addEventListener("click", () => {
    root.dataset.theme = dark() ? "light" : "dark";
    show();
    document.dispatchEvent(new Event("themechange"));
  });
  system.addEventListener("change", show);
  show();
}
