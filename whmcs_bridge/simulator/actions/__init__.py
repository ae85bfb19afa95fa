"""The API actions of the simulated WHMCS, one module a subject; `ACTIONS` lists them all."""
