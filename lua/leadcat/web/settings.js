// The settings page without reloading: adds and removes rows in place, has the server change a card's conditions and
// further rules, disables Save and Try until every rule that is on is complete, and warns before unsaved changes are lost.
// It sends the same form, so there is no second way of saving. Its texts come with the form, in `data-leadcat-` attributes.

"use strict";

(() => {
  const form = document.querySelector("form.leadcat-settings");
  if (!form) {
    return;
  }

  const texts = form.dataset;
  const hint = document.getElementById("leadcat-hint");
  const saves = form.querySelectorAll("button[value=save], button[value=try]");
  const parts = (card) => ({
    card,
    switched: card.querySelector("[role=switch]"),
    label: card.querySelector("label").textContent,
    details: card.querySelector(".leadcat-details"),
  });
  let cards = [...form.querySelectorAll(".leadcat-rule")].map(parts);
  let edited = texts.leadcatEdited === "true";
  let sent = false;
  let asking = false;

  // Of the rules of lead statuses; they are not in the document while these are off.
  const ofStatuses = (selector) => cards.map(({ details }) => details.querySelector(selector)).find((found) => found);
  const statusRows = () => ofStatuses("#leadcat-status_rule-rows");
  const statusParts = () => ofStatuses("#leadcat-status_rule-rows ~ .leadcat-more > .leadcat-more-content");

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
    say(sentence ?? (edited ? texts.leadcatUnsaved : ""));
  }

  function change() {
    edited = true;
    refresh();
  }

  // Lists to choose from follow the names and groups of new and renamed items -----------------------------------------

  const selects = (list) => [form, ...cards.map(({ details }) => details)].flatMap((root) => [
    ...root.querySelectorAll(`select[data-leadcat-list=${list}]`),
    ...[...root.querySelectorAll("template")].flatMap(({ content }) =>
      [...content.querySelectorAll(`select[data-leadcat-list=${list}]`)]),
  ]);

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

  function withdraw(list, key) {
    for (const select of new Set(selects(list))) {
      const option = [...select.options].find(({ value }) => value === key);
      if (option?.selected) {
        select.value = "";
      }
      option?.remove();
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

  // Adding and removing rows ------------------------------------------------------------------------------------------

  const NAMED = ["name", "id", "for", "aria-describedby"];

  // A row of the template with its number in the place of 0.
  function newRow(kind, number) {
    const row = document.getElementById(`leadcat-${kind}-template`).content.cloneNode(true).firstElementChild;
    if (row.dataset.leadcatRow) {
      row.dataset.leadcatRow = `status_rule.${number}`;
    }
    for (const element of row.querySelectorAll("*")) {
      for (const attribute of NAMED.filter((name) => element.hasAttribute(name))) {
        element.setAttribute(attribute, element.getAttribute(attribute).replace(/([.-])0(?=[.-]|$)/, `$1${number}`));
      }
      if (element.localName === "button") {
        element.value = element.value.replace(/\.0(?=\.|$)/, `.${number}`);
      }
    }
    return row;
  }

  // A number that no row of this kind has.
  function freeNumber(kind) {
    let number = 0;
    for (const { name } of [...form.elements, ...statusRows().querySelectorAll("[name]")]) {
      const match = name.match(/^(\w+)\.(\d+)\./);
      number = match?.[1] === kind ? Math.max(number, Number(match[2])) : number;
    }
    return number + 1;
  }

  function nameRows() {
    const name = (i) => texts.leadcatRow.replace("{number}", i + 1);
    [...statusRows().children].forEach((row, i) => {
      row.querySelector("legend").textContent = name(i);
    });
    [...statusParts().children].forEach((part, i) => {
      const title = part.querySelector("legend");
      title.textContent = title.textContent.replace(/^[^:]*/, () => name(i));
    });
  }

  function add(kind) {
    const row = newRow(kind, freeNumber(kind));
    document.getElementById(`leadcat-${kind}-rows`).append(row);
    if (kind === "status_rule") {
      statusParts().append(newRow("status_part", row.querySelector("[name]").name.split(".")[1]));
    }
    nameRows();
    const first = row.querySelector("select, input:not([type=hidden])");
    follow(first);
    change();
    first.focus();
  }

  // Then the next row has the focus, else the button that adds one.
  function remove(row, kind) {
    const next = row.nextElementSibling?.querySelector(".leadcat-quiet")
      ?? document.getElementById(`leadcat-add_${kind}`);
    if (kind === "status_rule") {
      const name = row.querySelector("[name]").name.match(/^status_rule\.\d+/)[0];
      statusParts().querySelector(`[data-leadcat-row="${name}"]`)?.remove();
    }
    row.remove();
    nameRows();
    change();
    next.focus();
  }

  // Conditions and further rules --------------------------------------------------------------------------------------

  const OF_A_RULE = /^(?:(?:add|remove)_(?:rule|condition)|add_group|move_(?:up|down))\./;

  function bodyOf(button) {
    cards.forEach(attach);
    const body = new URLSearchParams(new FormData(form));
    cards.forEach(place);
    body.set("do", button.value);
    return body;
  }

  // The server changes the form as it does without a script; the button's card is taken from its answer.
  async function renew(card, button) {
    const answer = await fetch(form.getAttribute("action"), { method: "POST", body: bodyOf(button) });
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const renewed = page.querySelector(`[data-leadcat-rule="${card.dataset.leadcatRule}"]`);
    if (!answer.ok || !renewed) {
      throw new Error(`status ${answer.status}`);
    }
    card.replaceWith(renewed);
    cards = cards.map((old) => (old.card === card ? parts(renewed) : old));
    if (!form.querySelector("#leadcat-fields")) {
      form.append(...page.querySelectorAll("#leadcat-fields"));
    }
    change();
    (renewed.querySelector("[autofocus]") ?? renewed.querySelector("summary")).focus();
  }

  // Items that are not stored get other numbers on the server, so then the whole page is taken; as when it fails.
  function ask(button) {
    if (form.querySelector("[name$='.new']")) {
      return false;
    }
    if (!asking) {
      asking = true;
      renew(button.closest(".leadcat-rule"), button).catch(() => form.requestSubmit(button))
        .finally(() => { asking = false; });
    }
    return true;
  }

  // What a button does in place; any other one sends the form.
  function act(button) {
    if (OF_A_RULE.test(button.value)) {
      return ask(button);
    }
    const pattern = /^(add|remove|delete)_(status_rule|category|lead_status)(?:\.(\d+))?$/;
    const [, verb, kind, key] = button.value.match(pattern) ?? [];
    const row = button.closest(".leadcat-row");
    if (verb === "add") {
      add(kind);
    } else if (verb === "remove" && statusRows().children.length > 1) {
      remove(row, kind);
    } else if (verb === "delete" && form.elements[`${kind}.${key}.new`]) {
      withdraw(LISTS[kind], key);
      remove(row, kind);
    } else {
      return false;
    }
    return true;
  }

  // What happens to the form ------------------------------------------------------------------------------------------

  form.addEventListener("click", (event) => {
    const button = event.target.closest("button[name=do]");
    if (button && act(button)) {
      event.preventDefault();
    }
  });

  // Enter saves. While Save waits it does nothing: a browser may take the next button then, which deletes.
  form.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && event.target.matches("input, select")) {
      event.preventDefault();
      saves[0].click();
    }
  });

  form.addEventListener("input", (event) => {
    follow(event.target);
    change();
  });

  form.addEventListener("submit", () => {
    cards.forEach(attach);
    sent = true;
  });

  window.addEventListener("beforeunload", (event) => {
    if (edited && !sent) {
      event.preventDefault();
    }
  });

  // Also when the page comes back from the browser's memory.
  window.addEventListener("pageshow", () => {
    sent = false;
    refresh();
  });

  // A message is said again for screen readers, which only announce changes; errors get the focus.
  const said = document.querySelector(".leadcat-said");
  const sentence = said?.textContent;
  if (sentence) {
    said.textContent = "";
    setTimeout(() => { said.textContent = sentence; }, 100);
  }
  document.querySelector("main > [tabindex]")?.focus();
  refresh();
})();
