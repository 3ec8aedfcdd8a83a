// A person signs up, makes a passkey on a virtual authenticator, signs out, and comes back without a name.
// Arguments: the FAPI's URL, the inbox's URL, the path of a Chromium.
import http from 'node:http';
import { chromium } from 'playwright-core';

const [fapi, inbox, executablePath] = process.argv.slice(2);
const email = `ann-${Date.now()}@example.com`;

// The application's page: on this machine, on a port of its own.
const server = http.createServer((_, response) => {
  response.setHeader('content-type', 'text/html');
  response.end('<!doctype html><title>The application</title>');
});
await new Promise((ready) => server.listen(0, 'localhost', ready));
const page_url = `http://localhost:${server.address().port}/`;

const browser = await chromium.launch({ executablePath, headless: true, args: ['--no-sandbox'] });

// What a page needs to speak to the API and to the authenticator; runs inside the browser.
function in_page(fapi) {
  const bytes = (text) => Uint8Array.from(atob(text.replace(/-/g, '+').replace(/_/g, '/')), (c) => c.charCodeAt(0));
  const text = (buffer) => btoa(String.fromCharCode(...new Uint8Array(buffer))).replace(/\+/g, '-').replace(/\//g, '_').replace(/=+$/, '');
  const listed = (credentials) => credentials.map((c) => ({ type: c.type, id: bytes(c.id), transports: c.transports }));
  window.call = async (method, path, body) => {
    const response = await fetch(fapi + path, {
      method,
      credentials: 'include',
      headers: body === undefined ? {} : { 'content-type': 'application/json' },
      body: body === undefined ? undefined : JSON.stringify(body),
    });
    const answer = await response.text();
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${answer}`);
    return answer === '' ? null : JSON.parse(answer);
  };
  window.create = async (o) => {
    const credential = await navigator.credentials.create({
      publicKey: {
        rp: o.rp,
        user: { id: bytes(o.user.id), name: o.user.name, displayName: o.user.display_name },
        challenge: bytes(o.challenge),
        pubKeyCredParams: o.pub_key_cred_params,
        timeout: o.timeout,
        attestation: o.attestation,
        authenticatorSelection: {
          residentKey: o.authenticator_selection.resident_key,
          userVerification: o.authenticator_selection.user_verification,
        },
        excludeCredentials: listed(o.exclude_credentials),
      },
    });
    return {
      id: credential.id,
      raw_id: text(credential.rawId),
      type: credential.type,
      response: {
        client_data_json: text(credential.response.clientDataJSON),
        attestation_object: text(credential.response.attestationObject),
      },
      transports: credential.response.getTransports(),
    };
  };
  window.get = async (o) => {
    const credential = await navigator.credentials.get({
      publicKey: {
        rpId: o.rp_id,
        challenge: bytes(o.challenge),
        timeout: o.timeout,
        userVerification: o.user_verification,
        allowCredentials: listed(o.allow_credentials),
      },
    });
    // As the browser itself writes it.
    return credential.toJSON();
  };
}

async function code_for(address) {
  for (let tries = 0; tries < 100; tries++) {
    const messages = await (await fetch(`${inbox}/messages?to=${encodeURIComponent(address)}`)).json();
    const code = messages.data.map((message) => message.code).find(Boolean);
    if (code) return code;
    await new Promise((wake) => setTimeout(wake, 200));
  }
  throw new Error('no code was mailed');
}

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
  await page.evaluate(in_page, fapi);

  const sign_up = await page.evaluate(async (email) => {
    const attempt = await call('POST', '/v1/client/sign-ups', { email_address: email, password: 'a quiet harbour at dawn' });
    const path = `/v1/client/sign-ups/${attempt.response.id}/challenges`;
    const challenge = await call('POST', path, { strategy: 'email_code' });
    return `${path}/${challenge.response.id}/answer`;
  }, email);
  const code = await code_for(email);

  const enrolled = await page.evaluate(async ([path, code]) => {
    await call('POST', path, { code });
    const me = await call('GET', '/v1/me');
    const begun = await call('POST', '/v1/me/passkeys/begin-registration', {});
    const attestation = await create(begun.creation_options);
    const done = await call('POST', `/v1/me/passkeys/complete-registration/${begun.id}`, { attestation });
    return { user: me.id, passkey: done.response, handle: begun.creation_options.user.id };
  }, [sign_up, code]);
  const { credentials } = await devtools.send('WebAuthn.getCredentials', { authenticatorId });

  const back = await page.evaluate(async () => {
    const client = await call('GET', '/v1/client');
    await call('POST', `/v1/client/sessions/${client.last_active_session_id ?? client.response.last_active_session_id}/end`);
    const attempt = await call('POST', '/v1/client/sign-ins', { strategy: 'passkey' });
    const path = `/v1/client/sign-ins/${attempt.response.id}/challenges/${attempt.response.current_challenge_id}`;
    const challenge = await call('GET', path);
    const assertion = await get(challenge.request_options);
    const answer = await call('POST', `${path}/answer`, { assertion });
    const me = await call('GET', '/v1/me');
    return { user: me.id, status: answer.response.status, passkeys: me.passkeys, listed: challenge.request_options.allow_credentials.length };
  });

  console.log(JSON.stringify({ enrolled, back, resident: credentials.map((c) => c.isResidentCredential) }));
} finally {
  await browser.close();
  server.close();
}
