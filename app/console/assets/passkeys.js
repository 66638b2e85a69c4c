// Forms that ask the browser for a passkey: the answer goes into the field "credential", and the form is sent.
const methods = {
  create: async (options) => {
    const publicKey = PublicKeyCredential.parseCreationOptionsFromJSON(options);
    return navigator.credentials.create({ publicKey });
  },
  get: async (options) => {
    const publicKey = PublicKeyCredential.parseRequestOptionsFromJSON(options);
    return navigator.credentials.get({ publicKey });
  },
};
const reasons = {
  NotAllowedError: "It was not confirmed, or took too long.",
  InvalidStateError: "This device has a passkey of yours already.",
  SecurityError: "A browser uses passkeys by HTTPS or on localhost only, and not with a number as the address.",
};

document.querySelectorAll("form[data-passkey]").forEach((form) => {
  const fault = form.querySelector("[role=alert]");
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    fault.textContent = "";
    try {
      if (!window.PublicKeyCredential?.parseCreationOptionsFromJSON) throw new DOMException("", "SecurityError");
      const token = form.elements.csrf_token?.value ?? "";
      const answer = await fetch(form.dataset.options, { method: "POST", headers: { "X-CSRF-Token": token } });
      if (!answer.ok) throw new Error((await answer.json()).detail);
      const credential = await methods[form.dataset.passkey](await answer.json());
      form.elements.credential.value = JSON.stringify(credential);
      form.submit();
    } catch (error) {
      fault.textContent = reasons[error.name] ?? error.message;
    }
  });
});
