// Small comforts; every page works without them.
"use strict";

(() => {
  // The list of errors is what a person needs first after a form was refused.
  const focusErrors = (root) => root.querySelector("[data-focus]")?.focus();

  // A button to copy makes sense only where a script can do it.
  const showCopyButtons = (root) => {
    if (!navigator.clipboard) return;
    for (const button of root.querySelectorAll("[data-copy]")) button.hidden = false;
  };

  // Where the tabs do not fit, the present one is brought into sight.
  const showTab = (root) => {
    const row = root.querySelector(".tabs");
    const tab = row?.querySelector("[aria-current]");
    if (tab && row.scrollWidth > row.clientWidth) {
      row.scrollLeft = tab.offsetLeft - (row.clientWidth - tab.offsetWidth) / 2;
    }
  };

  const prepare = (root) => {
    showTab(root);
    focusErrors(root);
    showCopyButtons(root);
  };

  document.addEventListener("click", async (event) => {
    const button = event.target.closest?.("[data-copy]");
    if (!button) return;
    const label = button.querySelector("span");
    const before = label.textContent;
    await navigator.clipboard.writeText(button.dataset.copy);
    label.textContent = "Copied";
    setTimeout(() => { label.textContent = before; }, 2000);
  });

  // A form that is on its way is not sent a second time by an impatient click.
  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (form.method !== "post" || event.defaultPrevented) return;
    if (form.dataset.sent) {
      event.preventDefault();
      return;
    }
    form.dataset.sent = "yes";
    event.submitter?.setAttribute("aria-busy", "true");
    // Back in the history, or after a download, the form may be sent again.
    setTimeout(() => release(form), 15000);
  });

  const release = (form) => {
    delete form.dataset.sent;
    for (const button of form.querySelectorAll("[aria-busy]")) button.removeAttribute("aria-busy");
  };

  window.addEventListener("pageshow", () => {
    for (const form of document.querySelectorAll("form[data-sent]")) release(form);
  });

  // A telephone that is turned has room for other tabs.
  window.addEventListener("resize", () => showTab(document));

  document.addEventListener("DOMContentLoaded", () => prepare(document));
  document.addEventListener("htmx:afterSettle", (event) => prepare(event.target));
})();
