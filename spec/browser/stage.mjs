// What the browser tests share: a server that plays whatever a test wants, and a browser that looks at its pages. CHROMIUM
// is the browser.

import http from "node:http";
import { after, before } from "node:test";
import { AxeBuilder } from "@axe-core/playwright";
import { HtmlValidate } from "html-validate";
import { chromium } from "playwright-core";

const TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice"];

const RULES = {
  extends: ["html-validate:recommended"],
  rules: {
    "long-title": "off", // says nothing about the page
  },
};

const ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update",
  "--disable-sync", "--no-first-run"];

export const NARROW = { width: 320, height: 640 };

// A browser, which ends with the tests, for pages of the server at `self.origin`.
export function visitor(self = { origin: "" }) {
  const contexts = {}; // of the browser, by their settings
  let browser;

  before(async () => {
    browser = await chromium.launch({ executablePath: process.env.CHROMIUM, args: ARGUMENTS });
  });

  after(() => browser?.close());

  // Looks at a page in a tab of its own. `page.alerts` counts the dialogs of scripts, `page.refused` what the policy of the
  // page has refused.
  self.open = async (path, look, settings = {}) => {
    const key = JSON.stringify(settings);
    contexts[key] ??= await browser.newContext(settings);
    const page = await contexts[key].newPage();
    try {
      self.requests = []; // what the server was asked since
      Object.assign(page, { alerts: 0, refused: [] });
      page.setDefaultTimeout(10000);
      page.on("dialog", (dialog) => { page.alerts += 1; return dialog.dismiss(); });
      page.on("console", (message) => {
        if (message.text().includes("Content Security Policy")) {
          page.refused.push(message.text());
        }
      });
      await page.goto(self.origin + path);
      await look(page);
    } finally {
      await page.close();
    }
  };
  return self;
}

// Has a server listen on a port that is free, below those that the kernel gives to clients. Returns the port.
export async function listen(server) {
  for (;;) {
    const port = 20000 + Math.floor(Math.random() * 12768);
    const error = await new Promise((resolve) => {
      server.once("error", resolve);
      server.listen(port, "127.0.0.1", () => { server.off("error", resolve); resolve(); });
    });
    if (!error) return port;
    if (error.code !== "EADDRINUSE") throw error;
  }
}

// The same, and a server for which `answer(request, body, response)` speaks.
export function stage(answer) {
  const self = visitor();
  let server;

  function receive(request, response) {
    let body = "";
    request.on("data", (chunk) => { body += chunk; });
    request.on("end", () => {
      const { method, url, headers } = request;
      self.requests.push({ method, url, body, headers });
      answer(request, body, response);
    });
  }

  before(async () => {
    server = http.createServer(receive);
    self.origin = `http://127.0.0.1:${await listen(server)}`;
  });

  after(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => { server.close(resolve); });
  });

  self.posts = () => self.requests.filter(({ method }) => method === "POST").map(({ method, url, body }) =>
    ({ method, url, body }));
  return self;
}

// What is wrong with markup.
export async function invalid(markup) {
  const report = await new HtmlValidate(RULES).validateString(markup);
  return report.results.flatMap(({ messages }) => messages).map(({ ruleId, message }) => `${ruleId}: ${message}`);
}

// What of a page is not accessible.
export async function inaccessible(page) {
  const { violations } = await new AxeBuilder({ page }).withTags(TAGS).setLegacyMode().analyze();
  return violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(" ")}`);
}

export async function press(page, ...keys) {
  for (const key of keys) {
    await page.keyboard.press(key);
  }
}

// What has the focus, as a person would name it.
export const focused = (page) => page.locator(":focus").evaluate((element) =>
  element.localName === "select" ? "select" : element.textContent);
