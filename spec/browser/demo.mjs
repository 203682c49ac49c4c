// The demo CRM in a real nginx, for the browser tests of whole pages: each test has a server and a store of its own. BUILD is the
// build directory.

import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { listen, visitor } from "./stage.mjs";

async function freePort() {
  const server = createServer(), port = await listen(server);
  await new Promise((resolve) => { server.close(resolve); });
  return port;
}

async function answers(origin) {
  for (let i = 0; i < 200; i += 1) {
    try {
      return await fetch(`${origin}/leadcat/health`);
    } catch {
      await new Promise((resolve) => { setTimeout(resolve, 50); });
    }
  }
  throw new Error("nginx does not answer");
}

// Settings of a browser in which somebody has signed in.
export function as(user, language, more = {}) {
  const cookies = Object.entries({ leadcat_user: user, leadcat_language: language })
    .filter(([, value]) => value)
    .map(([name, value]) => ({ name, value, domain: "127.0.0.1", path: "/", expires: -1, httpOnly: true, secure: false,
      sameSite: "Lax" }));
  return { ...more, storageState: { cookies, origins: [] } };
}

// A browser, and a server to look at.
export function demo() {
  const site = visitor();

  // Runs `use` with a server that has just been made.
  async function served(use) {
    const directory = mkdtempSync(join(tmpdir(), "leadcat-"));
    const port = await freePort();
    const nginx = spawn("sh", ["lua/leadcat/demo/serve.sh", process.env.LUA ?? "lua5.4"], {
      env: { ...process.env, PORT: port, DIRECTORY: directory }, stdio: ["ignore", "ignore", "ignore"],
    });
    const ended = new Promise((resolve) => { nginx.on("exit", resolve); });
    try {
      site.origin = `http://127.0.0.1:${port}`;
      await answers(site.origin);
      await use();
    } finally {
      nginx.kill("SIGTERM");
      await ended;
      rmSync(directory, { recursive: true });
    }
  }

  // What the API says to a user; with `body` something is sent.
  async function api(user, path, body, method = "POST", headers = {}) {
    const sent = body === undefined ? {} : { method, body: JSON.stringify(body) };
    const response = await fetch(`${site.origin}/leadcat/api/${path}`, { ...sent, headers: {
      Cookie: `leadcat_user=${user}`, "Content-Type": "application/json", Origin: site.origin, ...headers,
    } });
    return response.json();
  }

  return { site, served, api };
}
