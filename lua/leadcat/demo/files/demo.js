// Sends the demo CRM's forms without leaving the page; leadcat asks in place. The forms also work without this script.
(function () {
  "use strict";

  // The event of a form.
  function eventOf(form, button) {
    const fields = Object.fromEntries(new FormData(form));
    const event = { trigger: button.value, company: fields.company };
    event.id = [fields.id, event.company, event.trigger, fields.lead_status || ""].join(" ");
    if (event.trigger === "lead_status_set") {
      event.lead_status = Number(fields.lead_status);
      event.contact = { id: fields.contact, name: fields.contact };
    } else {
      event.sale = { id: fields.sale, name: fields.sale };
    }
    return event;
  }

  function say(text, problem = "") {
    document.getElementById("demo-said").textContent = text;
    document.getElementById("demo-problem").textContent = problem;
  }

  // Fetches the page again, and copies what has changed into this one, but for the element `except`.
  async function reload(query, except) {
    const response = await fetch(`${window.location.pathname}?${query}`, { cache: "no-store" });
    const page = new DOMParser().parseFromString(await response.text(), "text/html");
    const focused = document.activeElement && document.activeElement.id;
    const id = page.querySelector("[name=id]").value;
    for (const element of document.querySelectorAll("[data-demo-live]")) {
      if (element.id !== except) {
        element.replaceWith(document.adoptNode(page.getElementById(element.id)));
      }
    }
    document.querySelectorAll("[name=id]").forEach((input) => { input.value = id; });
    if (focused && document.activeElement === document.body) {
      document.getElementById(focused).focus();
    }
    return page;
  }

  // The same, with the server's words for the outcome.
  async function refresh(outcome, event) {
    const query = new URLSearchParams(window.location.search);
    for (const name of ["status", "reason", "to"]) {
      query.set(name, outcome[name] ?? "");
    }
    query.set("company", event.company);
    const page = await reload(query);
    say(page.getElementById("demo-said").textContent);
  }

  // What was done in leadcat's panel shows in the page around it: the panel's address says that something was.
  document.addEventListener("load", ({ target }) => {
    if (target.id === "demo-panel" && target.contentWindow.location.search) {
      reload(new URLSearchParams(window.location.search), target.id).catch(() => {});
    }
  }, true);

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
      say("", error.message);
    }
    form.ariaBusy = "false";
  });
})();
