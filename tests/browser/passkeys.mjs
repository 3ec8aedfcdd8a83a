// A person signs in on the guide's page, makes a passkey on a virtual authenticator, signs out, and comes back without
// a name. Arguments: the FAPI's URL, the person's address and password, the page, the path of a Chromium.
import fs from 'node:fs';
import http from 'node:http';
import { chromium } from 'playwright-core';

const [fapi, email, password, guide, executablePath] = process.argv.slice(2);

// The application's page: on this machine, on a port of its own.
const server = http.createServer((_, response) => {
  response.setHeader('content-type', 'text/html');
  response.end(fs.readFileSync(guide));
});
await new Promise((ready) => server.listen(0, 'localhost', ready));
const page_url = `http://localhost:${server.address().port}/?fapi=${encodeURIComponent(fapi)}`;

const browser = await chromium.launch({ executablePath, headless: true, args: ['--no-sandbox'] });
try {
  const context = await browser.newContext();
  const page = await context.newPage();
  const devtools = await context.newCDPSession(page);
  await devtools.send('WebAuthn.enable');
  const { authenticatorId } = await devtools.send('WebAuthn.addVirtualAuthenticator', {
    options: {
      protocol: 'ctap2',
      transport: 'internal',
      hasResidentKey: true,
      hasUserVerification: true,
      isUserVerified: true,
      automaticPresenceSimulation: true,
    },
  });
  await page.goto(page_url);

  // Clicks a button, and reads what the page says then.
  const click = async (button) => {
    await page.click(button);
    await page.waitForFunction(() => document.querySelector('#said').textContent !== '');
    const said = JSON.parse(await page.textContent('#said'));
    if (said?.error) throw new Error(`${button}: ${said.error}`);
    return said;
  };
  const get = (path) => page.evaluate(async (url) => (await fetch(url, { credentials: 'include' })).json(), fapi + path);

  await page.fill('#email', email);
  await page.fill('#password', password);
  await click('#sign-in button');
  const made = await click('#make');
  const enrolled = { user: (await get('/v1/me')).id, passkey: made.response };
  const { credentials } = await devtools.send('WebAuthn.getCredentials', { authenticatorId });
  await click('#leave');
  const out = (await get('/v1/client')).sessions.filter((session) => session.status === 'active').length;

  const answer = await click('#use');
  const me = await get('/v1/me');
  const back = { user: me.id, status: answer.response.status, passkeys: me.passkeys };
  console.log(JSON.stringify({ enrolled, out, back, resident: credentials.map((c) => c.isResidentCredential) }));
} finally {
  await browser.close();
  server.close();
}
