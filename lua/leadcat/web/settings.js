// The settings page without leaving it: saves and tries by fetch, disables Save and Try until
// every rule that is on is complete, and warns before changes are lost that differ from what is saved. It sends the same
// form, so there is no second way of saving, and shows the server's answer. Its texts come with the form, in attributes.

"use strict";

(() => {
  let form, texts, hint, saves, cards;
  let saved = null; // the fields as they are saved; null: nobody knows
  let busy = false;
  let sent = false; // the browser goes somewhere else, as it was told
  const FORM = "form.leadcat-settings";
  const FIRST = ".leadcat-conflicts, .leadcat-tried"; // what is to be read first
  const parts = (card) => ({
    card,
    switched: card.querySelector("[role=switch]"),
    label: card.querySelector("label").textContent,
    details: card.querySelector(".leadcat-details"),
  });

  // What is typed ---------------------------------------------------------------------------------------------------

  // All fields, also of rules that are off.
  function fieldsNow() {
    cards.forEach(attach);
    const fields = new Map(new FormData(form));
    cards.forEach(place);
    return fields;
  }

  // Marks of which rule is which do not make a difference to who looks at the page.
  const MARK = /^(?:revision$|search\.|page\.)|\.(?:known|of|when|from|switch|path)$/;
  const differs = (one, other) => [...one].some(([name, value]) => !MARK.test(name) && other.get(name) !== value);
  const isEdited = (now = fieldsNow()) => saved === null || differs(now, saved) || differs(saved, now);

  // Rules ------------------------------------------------------------------------------------------------------------

  // The details of a rule that is off are removed from the page; they come back when the form is sent.
  function attach({ card, details }) {
    if (details.parentElement !== card) {
      card.append(details);
    }
  }

  const place = (rule) => (rule.switched.checked ? attach(rule) : rule.details.remove());

  // A row, or a rule of several, may be off while others are on. The first rule's category is on the card.
  function counts(select) {
    const rule = select.closest(".leadcat-row, .leadcat-part")
      ?? select.closest(".leadcat-details").querySelector(".leadcat-part");
    return !rule?.querySelector("[name$='.enabled']:not(:checked), [name$='.used']:not(:checked)");
  }

  const filled = (details, list) => [...details.querySelectorAll(`select[data-leadcat-list=${list}]`)].every((select) =>
    select.value !== "" || !counts(select));

  // What a rule that is on is missing, as a sentence.
  function missing({ switched, label, details }) {
    if (!switched.checked) {
      return null;
    }
    const key = !filled(details, "lead_statuses") ? "leadcatStatus"
      : !filled(details, "categories") ? "leadcatCategory" : null;
    return key && texts[key].replace("{rule}", () => label);
  }

  function say(sentence) {
    if (hint.textContent !== sentence) {
      hint.textContent = sentence;
    }
  }

  function refresh() {
    cards.forEach(place);
    const sentence = cards.map(missing).find((found) => found);
    saves.forEach((save) => { save.disabled = Boolean(sentence); });
    say(sentence ?? (isEdited() ? texts.leadcatUnsaved : ""));
  }

  // Lists to choose from follow the names and groups of new and renamed items -----------------------------------------

  const selects = (list) => [form, ...cards.map(({ details }) => details)].flatMap((root) =>
    [...root.querySelectorAll(`select[data-leadcat-list=${list}]`)]);

  // The group with the options of a category; made if it is missing.
  function groupIn(select, label) {
    let group = [...select.querySelectorAll("optgroup")].find((element) => element.label === label);
    if (!group) {
      group = document.createElement("optgroup");
      group.label = label;
      select.append(group);
    }
    return group;
  }

  function offer(list, key, name, group) {
    for (const select of new Set(selects(list))) {
      const chosen = select.value;
      let option = [...select.options].find(({ value }) => value === key);
      if (!option) {
        option = new Option("", key);
        option.dir = "auto";
      }
      option.textContent = name.trim() || texts.leadcatUnnamed;
      const parent = group === undefined ? select : groupIn(select, group);
      if (option.parentElement !== parent) {
        parent.append(option);
      }
      select.value = chosen;
      select.querySelectorAll("optgroup:empty").forEach((empty) => empty.remove());
    }
  }

  const LISTS = { category: "categories", lead_status: "lead_statuses" };

  // The field of an item's row by its name: ["category", "9", "name"].
  const parse = (name) => name.match(/^(category|lead_status)\.(\d+)\.(\w+)$/)?.slice(1) ?? [];

  function follow(field) {
    const [kind, key, part] = parse(field.name ?? "");
    if (part === "name" || part === "group") {
      const group = form.elements[`${kind}.${key}.group`]?.selectedOptions[0].textContent;
      offer(LISTS[kind], key, form.elements[`${kind}.${key}.name`].value, group);
    }
  }

  // Lists of categories and lead statuses ----------------------------------------------------------------------------

  const CONTROLS = "input:not([type=hidden]), select, button, summary";

  // Of a long list one row has stops of the keyboard; the arrow keys go to the others.
  function rove(row) {
    for (const other of row.parentElement.children) {
      other.querySelectorAll(CONTROLS).forEach((control) => { control.tabIndex = other === row ? 0 : -1; });
    }
  }

  function walk(event) {
    const step = { ArrowUp: "previousElementSibling", ArrowDown: "nextElementSibling" }[event.key];
    const row = event.target.closest(".leadcat-item");
    if (!step || !row || event.altKey || !event.target.matches("[type=text], [type=checkbox], button, summary")) {
      return;
    }
    let next = row[step];
    while (next?.hidden) {
      next = next[step];
    }
    if (next) {
      event.preventDefault();
      rove(next);
      const at = [...row.querySelectorAll(CONTROLS)].indexOf(event.target);
      const there = next.querySelectorAll(CONTROLS)[at];
      (there?.checkVisibility() ? there : next.querySelector("[type=text]")).focus();
    }
  }

  function search({ target }) {
    const rows = [...target.closest(".leadcat-card").querySelectorAll(".leadcat-item")];
    const word = target.value.trim().toLocaleLowerCase();
    rows.forEach((row) => { row.hidden = !row.querySelector("[type=text]").value.toLocaleLowerCase().includes(word); });
    const first = rows.find((row) => !row.hidden);
    if (first) {
      rove(first);
    }
  }

  function list() {
    for (const rows of form.querySelectorAll(".leadcat-items")) {
      if (rows.firstElementChild) {
        rove(rows.firstElementChild);
      }
      const card = rows.parentElement;
      card.querySelectorAll(".leadcat-search, .leadcat-rows-hint").forEach((line) => { line.hidden = false; });
      card.querySelector("[type=search]:not([name])")?.addEventListener("input", search);
    }
    form.addEventListener("focusin", ({ target }) => {
      const row = target.closest(".leadcat-item");
      if (row) {
        rove(row);
      }
    });
    form.addEventListener("keydown", walk);
  }

  // Asking the server -----------------------------------------------------------------------------------------------

  // What went wrong, in the bar. The form stays as it is. Who is not signed in any more can do that in another tab.
  function fail(message, isSignedOut) {
    const said = document.getElementById("leadcat-said");
    said.classList.add("leadcat-problem");
    said.textContent = "";
    setTimeout(() => { said.textContent = message; });
    const link = form.querySelector(".leadcat-sign-in");
    if (link) {
      link.hidden = !isSignedOut;
    }
  }

  // A page, a problem (RFC 9457), or whatever a proxy says.
  async function explain(answer, text, page) {
    const { detail } = await new Response(text).json().catch(() => ({}));
    const isSignedOut = answer.status === 401 || answer.ok; // then it is the page where one signs in
    const alert = page.querySelector(".leadcat-alert")?.textContent;
    const message = isSignedOut ? texts.leadcatExpired
      : answer.status > 501 ? texts.leadcatUnreachable : [texts.leadcatFailed, alert ?? detail ?? answer.status].join(" ");
    fail(message, isSignedOut || answer.status === 403);
  }

  // Which <details> these are, on this page and the next.
  const nameOf = (details, i, all) => {
    const around = details.closest("[data-leadcat-rule], section")?.querySelector("[id]").id;
    return `${around} ${all.slice(0, i).filter((other) => other.closest("[data-leadcat-rule], section")
      === details.closest("[data-leadcat-rule], section")).length}`;
  };

  // The element with the focus, on this page and the next.
  const placeOf = ({ id, name, value, localName }) => (id ? `#${CSS.escape(id)}`
    : localName === "button" && name && `button[name=${name}][value="${value}"]:not(.leadcat-hidden)`);

  // Takes what has been typed since a form was sent over into its answer.
  function takeOver(before, now) {
    for (const element of form.elements) {
      const { name, type, value } = element;
      const of = (fields) => (type === "checkbox" || type === "radio" ? fields.get(name) === value : fields.get(name));
      if (name && name !== "revision" && type !== "submit" && of(before) !== of(now) && of(now) !== undefined) {
        element[typeof of(now) === "boolean" ? "checked" : "value"] = of(now);
      }
    }
  }

  // Shows the server's answer in the place of what is here.
  function show(page, before) {
    const now = fieldsNow();
    const open = [...form.querySelectorAll("details")].map((element, i, all) => [element.open, nameOf(element, i, all)])
      .filter(([isOpen]) => isOpen).map(([, name]) => name);
    const focus = placeOf(document.activeElement);
    document.querySelector("main").replaceWith(page.querySelector("main"));
    start();
    cards.forEach(attach);
    [...form.querySelectorAll("details")].forEach((element, i, all) => {
      element.open ||= open.includes(nameOf(element, i, all));
    });
    takeOver(before, now);
    refresh();
    (form.querySelector(`[autofocus], ${FIRST}`)
      ?? form.querySelector(focus || FORM) ?? saves[0]).focus();
  }

  // Presses a button by asking the server, one at a time.
  async function ask(button) {
    if (busy) {
      return;
    }
    busy = true;
    const before = fieldsNow();
    const body = new URLSearchParams([...before, ["do", button.value]]);
    const label = [...button.childNodes];
    if (button.dataset.leadcatBusy) {
      button.textContent = button.dataset.leadcatBusy;
    }
    button.setAttribute("aria-disabled", "true");
    form.setAttribute("aria-busy", "true");
    try {
      const answer = await fetch(form.getAttribute("action"),
        { method: "POST", body, headers: { Accept: "text/html" }, signal: AbortSignal.timeout(60000) });
      const text = await answer.text();
      const page = new DOMParser().parseFromString(text, "text/html");
      if (page.querySelector(FORM)) {
        show(page, before);
        history.replaceState(null, "", answer.url);
      } else {
        await explain(answer, text, page);
      }
    } catch {
      fail(texts.leadcatUnreachable, true);
    }
    busy = false;
    form.removeAttribute("aria-busy");
    button.removeAttribute("aria-disabled");
    button.replaceChildren(...label);
  }

  // What happens to the form ------------------------------------------------------------------------------------------

  function press(event) {
    const button = event.target.closest("button[name=do]");
    if (button && button.value !== "cancel") {
      event.preventDefault();
      ask(button);
    }
  }

  // Enter does what a button says only where a button has the focus, or in a search that has one.
  function type(event) {
    if (event.key === "Enter" && event.target.matches("input, select")) {
      event.preventDefault();
      event.target.closest(".leadcat-find")?.querySelector("button").click();
    }
  }

  function edit(event) {
    follow(event.target);
    refresh();
  }

  // Begins with the form that is there. A message is said again for screen readers, which only announce changes.
  function start() {
    form = document.querySelector(FORM);
    texts = form.dataset;
    hint = document.getElementById("leadcat-hint");
    saves = form.querySelectorAll("button[value=save], button[value=draft], button[value=try]");
    cards = [...form.querySelectorAll(".leadcat-rule")].map(parts);
    saved = texts.leadcatEdited ? saved : fieldsNow();
    list();
    form.addEventListener("click", press);
    form.addEventListener("keydown", type);
    form.addEventListener("input", edit);
    form.addEventListener("submit", () => {
      cards.forEach(attach);
      sent = true;
    });
    const said = document.getElementById("leadcat-said");
    const content = [...said.childNodes];
    said.replaceChildren();
    setTimeout(() => said.append(...content), 100);
  }

  window.addEventListener("beforeunload", (event) => {
    if (!sent && isEdited()) {
      event.preventDefault();
    }
  });

  // Also when the page comes back from the browser's memory.
  window.addEventListener("pageshow", () => {
    if (form) {
      sent = false;
      refresh();
    }
  });

  if (document.querySelector(FORM)) {
    start();
    form.querySelector(FIRST)?.focus();
    refresh();
  }
})();
