// Asks users in the page where they work: reports events to the server, and shows the server's dialog when it has a
// question. One global, `leadcat`; no dependencies. The server's address is that of this file.
//
//   const outcome = await leadcat.report({ trigger: "sale_won", company: 42 });
//   const choice = await leadcat.propose(event); // before the host saves: undefined, a category's id, false or null
//   const outcome = await leadcat.answer(id);    // an open question; undefined when it is left open
//   badge.textContent = await leadcat.count();   // of the user's open questions
//
// A link with data-leadcat-answer="ID" opens the question in place. Failures are Errors with the server's words as
// message, the `code` and the `status` (0 when the server could not be reached).
(function () {
  "use strict";

  const script = document.currentScript;
  const base = script && script.src ? new URL(".", script.src).href.slice(0, -1) : "/leadcat";
  const GONE = [409, 410]; // the question is closed: no other answer will be taken

  // Requests ----------------------------------------

  const failure = (message, status, code, outcome) =>
    Object.assign(new Error(`${message}`), { status, code, outcome });

  // The server's problem details (RFC 9457) as an error; the answer may also be a proxy's.
  async function problemOf(response) {
    const json = /json/.test(response.headers.get("Content-Type"));
    const { detail, title, code, outcome } = (json && await response.json().catch(() => null)) || {};
    const message = detail || title || `leadcat: status ${response.status}`;
    return failure(message, response.status, code || "network", outcome);
  }

  // Asks the server; with a body it is a POST.
  async function request(path, accept, body) {
    const options = { credentials: "same-origin", cache: "no-store", headers: { Accept: accept } };
    if (body !== undefined) {
      Object.assign(options, { method: "POST", body: JSON.stringify(body) });
      options.headers["Content-Type"] = "application/json";
    }
    const response = await fetch(base + path, options).catch((error) => {
      throw failure(`leadcat: ${error.message}`, 0, "network");
    });
    if (!response.ok) {
      throw await problemOf(response);
    }
    return response;
  }

  // The whole answer. It may break off, or be a sign-in page.
  const read = (response, how) => response[how]().catch((error) => {
    throw failure(`leadcat: ${error.message}`, response.status, "network");
  });

  const json = async (path, body) => read(await request(path, "application/json", body), "json");

  // The dialog in a page or a fragment.
  async function dialogIn(response) {
    const page = new DOMParser().parseFromString(await read(response, "text"), "text/html");
    const dialog = page.querySelector("dialog");
    if (!dialog) {
      throw failure("leadcat: there is no dialog in the server's answer", response.status, "network");
    }
    dialog.removeAttribute("open");
    localize(page);
    return document.adoptNode(dialog);
  }

  // The dialog ----------------------------------------

  let last = Promise.resolve();

  // One dialog after the other.
  function inTurn(show) {
    const turn = last.then(show);
    last = turn.catch(() => {});
    return turn;
  }

  // Has a button or a link say that it is working. Gives what ends that.
  function work(button) {
    const text = button.textContent;
    button.textContent = button.dataset.leadcatBusy || text;
    button.setAttribute("aria-busy", true);
    return () => {
      button.textContent = text;
      button.removeAttribute("aria-busy");
    };
  }

  const isCancel = (button) => button.getAttribute("formmethod") === "dialog";

  function say(dialog, words) {
    let place = dialog.querySelector("[role=alert]");
    if (!place) {
      place = dialog.appendChild(document.createElement("p"));
      place.setAttribute("role", "alert");
    }
    place.textContent = words;
  }

  function leaveOnlyClose(dialog) {
    for (const element of dialog.querySelectorAll(".leadcat-field, form .leadcat-muted, select, form button")) {
      if (!isCancel(element)) {
        element.remove();
      } else if (dialog.dataset.leadcatClose) {
        element.textContent = dialog.dataset.leadcatClose;
      }
    }
  }

  // Says what went wrong; the focus stays on the button, or goes to a remaining one.
  function showError(dialog, error, button) {
    say(dialog, (error.code === "network" && dialog.dataset.leadcatNetwork) || error.message);
    if (GONE.includes(error.status)) {
      leaveOnlyClose(dialog);
    }
    const target = button && button.isConnected ? button : dialog.querySelector("button");
    if (target && dialog.open) {
      target.focus();
    }
  }

  const answerOf = (form, button) => (button && button.name === "decline" ? { decline: true }
    : { category: Number(new FormData(form).get("category")) });

  // Shows a dialog until it is answered or closed. `give` sends an answer. Resolves with its `outcome`, if any, the
  // name of the `category`, and `gone` when the question turned out to be closed.
  const ask = (dialog, before, give) => new Promise((resolve) => {
    const result = { gone: !dialog.querySelector("[name=category]") };
    let pending = null;

    async function answer(form, button) {
      const given = answerOf(form, button);
      const chosen = form.querySelector(`option[value="${given.category}"]`);
      const end = work(button || form.querySelector("button"));
      say(dialog, "");
      try {
        result.outcome = await give(given);
        result.category = chosen && chosen.textContent;
        dialog.close();
      } catch (error) {
        result.outcome = error.outcome;
        result.gone = GONE.includes(error.status);
        end();
        showError(dialog, error, button);
        pending = null;
      }
    }

    dialog.addEventListener("submit", (event) => {
      const button = event.submitter;
      if (event.target.method === "dialog" || (button && isCancel(button))) {
        return;
      }
      event.preventDefault();
      pending = pending || answer(event.target, button);
    });
    dialog.addEventListener("close", async () => {
      await pending; // closed while an answer was on its way: it counts
      dialog.remove();
      if (before && document.activeElement === document.body) {
        before.focus();
      }
      resolve(result);
    });
    document.body.append(dialog);
    dialog.showModal();
  });

  // Shows the dialog of an open question.
  function askQuestion(id, before) {
    const path = `/confirmations/${encodeURIComponent(id)}`;
    return inTurn(async () => ask(await dialogIn(await request(`${path}?dialog`, "text/html")), before,
      (answer) => json(`/api${path}`, answer)));
  }

  // What pages call ----------------------------------------

  async function report(event) {
    const before = document.activeElement;
    const first = await json("/api/events", event);
    if (first.status !== "awaiting_confirmation") {
      return first;
    }
    // The event is safe: where the question cannot be shown now, it waits in the inbox.
    const result = await askQuestion(first.confirmation, before).catch(() => ({}));
    return result.outcome || first;
  }

  async function propose(event) {
    const before = document.activeElement;
    const response = await request("/api/propose", "text/html", event);
    if (response.status === 204) {
      return undefined;
    }
    const dialog = await dialogIn(response);
    const { outcome } = await inTurn(() => ask(dialog, before, async (answer) => answer));
    return outcome ? !outcome.decline && outcome.category : null;
  }

  const answer = async (id) => (await askQuestion(id, document.activeElement)).outcome;
  const count = async () => (await json("/api/confirmations/count")).count;

  // The inbox ----------------------------------------

  // Isolates a name that may run from right to left, as the server does.
  const apart = (name) => (/[\u0580-\uffff]/.test(name) ? `\u2068${name}\u2069` : name);

  // The result in the page's words.
  function sentence(words, { outcome, category }, company) {
    const names = { company, category };
    const status = outcome ? outcome.code || outcome.status : "closed";
    const text = words[`leadcat${status[0].toUpperCase()}${status.slice(1)}`] || words.leadcatClosed;
    return text.replace(/\{(\w+)\}/g, (_, name) => apart(names[name]));
  }

  const place = (id, page = document) => page.getElementById(`leadcat-${id}`);

  // Says what has happened, over the page, which stays where it is.
  function tell(element, words, kind = "") {
    Object.assign(element.dataset, { leadcatKind: kind, leadcatLive: "" });
    element.textContent = words;
  }

  // Takes a question out of the list, and the focus to the next one.
  function close(row, said, result) {
    const next = row.nextElementSibling || row.previousElementSibling;
    const empty = document.querySelector(".leadcat-empty");
    const { outcome } = result;
    tell(said, sentence(said.dataset, result, row.dataset.leadcatCompany), outcome && (outcome.code || outcome.status));
    (next ? next.querySelector("h2") : place("title")).focus();
    (next ? row : row.parentElement).remove();
    if (!next && empty) {
      empty.hidden = false;
    }
  }

  async function answerInPlace(link) {
    const end = work(link);
    const result = await askQuestion(link.dataset.leadcatAnswer, link).catch(() => null);
    end();
    const row = link.closest("[data-leadcat-company]");
    const said = document.querySelector("[data-leadcat-closed]");
    if (!result && link.href) {
      window.location.assign(link.href); // that page says what is wrong
    } else if (result && (result.outcome || result.gone)) {
      if (row && said) {
        close(row, said, result);
      } else if (place("results")) {
        update(window.location.href, {}, link.closest("tr").id, link);
      }
    }
  }

  // An answer by a button of the card.
  async function answerOnCard(form, button) {
    const row = form.closest("[data-leadcat-company]");
    const said = document.querySelector("[data-leadcat-closed]");
    const end = work(button);
    form.setAttribute("aria-busy", true);
    try {
      const outcome = await json(`/api/confirmations/${form.dataset.leadcatCard}`, { [button.name]: true });
      close(row, said, { outcome, category: button.dataset.leadcatCategory });
    } catch (error) {
      form.removeAttribute("aria-busy");
      end();
      if (GONE.includes(error.status)) {
        close(row, said, { outcome: error.outcome });
      } else {
        say(row, error.code === "network" ? said.dataset.leadcatNetwork : error.message);
        button.focus();
      }
    }
  }

  document.addEventListener("submit", (event) => {
    const form = event.target, button = event.submitter;
    if (form.dataset.leadcatCard && button) {
      event.preventDefault();
      if (!form.hasAttribute("aria-busy")) {
        answerOnCard(form, button);
      }
    } else if (!event.defaultPrevented && !form.dataset.leadcatAct && button && button.dataset.leadcatBusy) {
      if (button.hasAttribute("aria-busy")) {
        event.preventDefault();
      } else {
        window.addEventListener("pageshow", work(button), { once: true }); // who comes back may press it again
      }
    }
  });

  document.addEventListener("change", ({ target }) => {
    const all = document.querySelector("[data-leadcat-all]");
    if (target === all) {
      document.querySelectorAll(".leadcat-pick").forEach((pick) => { pick.checked = all.checked; });
    } else if (all && target.className === "leadcat-pick" && !target.checked) {
      all.checked = false;
    }
  });

  document.addEventListener("click", (event) => {
    const link = event.target.closest("[data-leadcat-answer]");
    const elsewhere = event.button || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey;
    if (link && !elsewhere && !event.defaultPrevented) {
      event.preventDefault();
      if (!link.hasAttribute("aria-busy")) {
        answerInPlace(link);
      }
    }
  });

  // The history ----------------------------------------

  // Times in the reader's zone and the page's language, and days that begin when the reader's do.
  function localize(root) {
    const zone = -new Date().getTimezoneOffset();
    root.querySelectorAll(":is(.leadcat-main, .leadcat-dialog) time").forEach((time) => {
      time.textContent = new Date(time.dateTime).toLocaleString(time.closest("[lang]").lang,
        "leadcatDay" in time.dataset ? { dateStyle: "medium" } : { dateStyle: "medium", timeStyle: "short" });
    });
    root.querySelectorAll("[data-leadcat-zone]").forEach((link) => { link.search += `&zone=${zone}`; });
    root.querySelectorAll("[data-leadcat-utc]").forEach((hint) => { hint.outerHTML = `<input type=hidden name=zone value=${zone}>`; });
  }

  // The reader's zone as it is at the time that is typed.
  document.addEventListener("input", ({ target }) => {
    if (target.type === "datetime-local" && target.form.elements.zone) {
      target.form.elements.zone.value = -new Date(target.value || Date.now()).getTimezoneOffset();
    }
  });

  // Shows what the server's page says, and its rows.
  function take(page) {
    const results = place("results", page);
    const problem = place("undone", page) || page.querySelector(".leadcat-alert, h1");
    const done = place("done", page);
    tell(place("done"), done && done.textContent, done && done.dataset.leadcatKind);
    tell(place("undone"), problem && problem.textContent);
    if (results) {
      localize(page);
      place("results").replaceChildren(...results.childNodes);
    }
  }

  // Shows what the server answers. The focus stays on the button, or on its row.
  async function update(address, options, id, button) {
    const end = work(button);
    try {
      const response = await fetch(address, options);
      take(new DOMParser().parseFromString(await response.text(), "text/html"));
    } catch (error) {
      tell(place("undone"), place("undone").dataset.leadcatNetwork);
    }
    end();
    const row = document.getElementById(id) || place("title");
    row.tabIndex = -1;
    (document.getElementById(button.id) || row).focus();
  }

  document.addEventListener("submit", (event) => {
    const form = event.target, button = form.querySelector("button");
    if (form.dataset.leadcatAct) {
      event.preventDefault();
      if (!button.hasAttribute("aria-busy")) {
        update(form.action, { method: "POST", body: new URLSearchParams(new FormData(form)) },
          form.dataset.leadcatAct, button);
      }
    }
  });
  localize(document);

  window.leadcat = Object.freeze({ report, propose, answer, count });
})();
