// Forms that make or use a passkey: <form data-passkey="create" or "get" data-options="URL">.
// The browser's answer goes into the field `credential`, and the form is sent as any other.
"use strict";

(() => {
  const decode = (text) => {
    const plain = atob(text.replace(/-/g, "+").replace(/_/g, "/"));
    return Uint8Array.from(plain, (char) => char.charCodeAt(0));
  };

  const encode = (buffer) =>
    btoa(String.fromCharCode(...new Uint8Array(buffer)))
      .replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");

  const withBytes = (options) => {
    const made = { ...options, challenge: decode(options.challenge) };
    if (options.user) made.user = { ...options.user, id: decode(options.user.id) };
    for (const list of ["allowCredentials", "excludeCredentials"]) {
      if (options[list]) made[list] = options[list].map((one) => ({ ...one, id: decode(one.id) }));
    }
    return made;
  };

  const asText = (credential) => {
    const { response } = credential;
    const plain = {
      id: credential.id,
      rawId: encode(credential.rawId),
      type: credential.type,
      clientExtensionResults: credential.getClientExtensionResults(),
      response: { clientDataJSON: encode(response.clientDataJSON) },
    };
    for (const name of ["attestationObject", "authenticatorData", "signature", "userHandle"]) {
      if (response[name]) plain.response[name] = encode(response[name]);
    }
    if (response.getTransports) plain.response.transports = response.getTransports();
    return JSON.stringify(plain);
  };

  const ask = async (form) => {
    const token = form.elements.csrf_token;
    const answer = await fetch(form.dataset.options, {
      method: "POST",
      headers: { "X-CSRF-Token": token.value, "Content-Type": "application/x-www-form-urlencoded" },
      body: "",
      redirect: "error",
    });
    if (!answer.ok) throw new Error(`HTTP ${answer.status}`);
    const { options, token: newToken } = await answer.json();
    for (const field of document.querySelectorAll('input[name="csrf_token"]')) {
      field.value = newToken;
    }
    const publicKey = withBytes(options);
    const credential = form.dataset.passkey === "create"
      ? await navigator.credentials.create({ publicKey })
      : await navigator.credentials.get({ publicKey });
    form.elements.credential.value = asText(credential);
  };

  document.addEventListener("DOMContentLoaded", () => {
    for (const form of document.querySelectorAll("form[data-passkey]")) {
      const message = form.querySelector("[data-passkey-message]");
      if (!window.PublicKeyCredential) {
        message.textContent = "This browser has no passkeys.";
        continue;
      }
      form.querySelector("button[type=submit]").disabled = false;
      form.addEventListener("submit", async (event) => {
        if (form.elements.credential.value) return;
        event.preventDefault();
        message.textContent = "";
        try {
          await ask(form);
        } catch {
          message.textContent = "The passkey was not used. Try it again, or take another way.";
          return;
        }
        form.requestSubmit();
      });
    }
  });
})();
