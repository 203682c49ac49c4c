// The demo CRM's forms without leaving the page: events go to leadcat, which asks in place. Without this script the same
// forms are sent as they are.
(function () {
  "use strict";

  const TEXT = ["company", "trigger"];

  // The event that a form tells of.
  function eventOf(form, button) {
    const fields = Object.fromEntries(new FormData(form));
    fields.trigger = button.value;
    const event = Object.fromEntries(TEXT.map((name) => [name, fields[name]]));
    event.id = [fields.id, fields.company, fields.trigger, fields.lead_status || ""].join(" ");
    if (fields.trigger === "lead_status_set") {
      event.lead_status = Number(fields.lead_status);
      event.contact = { id: fields.contact, name: fields.contact };
    } else {
      event.sale = { id: fields.sale, name: fields.sale };
    }
    return event;
  }

  const say = (text) => { document.getElementById("demo-said").textContent = text; };

  // Fetches the page anew and puts what has changed into this one; the server words what has happened.
  async function refresh(outcome, event) {
    const query = new URLSearchParams(window.location.search);
    for (const name of ["status", "reason", "to"]) {
      query.set(name, outcome[name] ?? "");
    }
    query.set("company", event.company);
    const response = await fetch(`${window.location.pathname}?${query}`, { cache: "no-store" });
    const page = new DOMParser().parseFromString(await response.text(), "text/html");
    const focused = document.activeElement && document.activeElement.id;
    for (const element of document.querySelectorAll("[data-demo-live]")) {
      element.replaceWith(document.adoptNode(page.getElementById(element.id)));
    }
    for (const input of document.querySelectorAll("[name=id]")) {
      input.value = page.querySelector("[name=id]").value;
    }
    if (focused && document.activeElement === document.body) {
      document.getElementById(focused).focus();
    }
    say(page.getElementById("demo-said").textContent);
  }

  async function send(form, button) {
    const event = eventOf(form, button);
    if (new FormData(form).has("before")) {
      const choice = await window.leadcat.propose(event);
      if (choice === null) {
        say(document.getElementById("demo-said").dataset.demoCancelled);
        return;
      } else if (choice !== undefined) {
        event.choice = choice;
      }
    }
    await refresh(await window.leadcat.report(event), event);
  }

  document.addEventListener("submit", async (event) => {
    const form = event.target;
    if (!form.matches("[data-demo-event]") || !window.leadcat) {
      return;
    }
    event.preventDefault();
    if (form.ariaBusy === "true") {
      return;
    }
    form.ariaBusy = "true";
    say("");
    try {
      await send(form, event.submitter || form.querySelector("button"));
    } catch (error) {
      say(error.message);
    }
    form.ariaBusy = "false";
  });
})();
