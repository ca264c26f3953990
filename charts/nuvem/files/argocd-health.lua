-- Argo CD's health of any nuvem kind: they all have the same conditions. docs/argocd.md says how to install it.
-- The order matters: a paused resource has not looked at its generation, and a stalled one that was edited since is looked at first.
local conditions = {}
local observed = nil
if obj.status ~= nil then
  observed = obj.status.observedGeneration
  for _, condition in ipairs(obj.status.conditions or {}) do
    conditions[condition.type] = condition
  end
end

local function is_true(name)
  return conditions[name] ~= nil and conditions[name].status == "True"
end

local function health(status, name, otherwise)
  local message = conditions[name] ~= nil and conditions[name].message or ""
  if message == "" then
    message = otherwise
  end
  return {status = status, message = message}
end

if is_true("Paused") then
  return health("Suspended", "Paused", "Paused: nothing is changed in AWS")
end
if observed ~= obj.metadata.generation then
  return {status = "Progressing", message = "Waiting for nuvem to look at the newest change"}
end
if is_true("Stalled") then
  return health("Degraded", "Stalled", "Stalled")
end
if is_true("Ready") and is_true("Synced") then
  return health("Healthy", "Ready", "Ready")
end
-- Usable as it is; what is wanted comes with the next disruption window, or when a person allows it.
if is_true("Ready") and conditions.Synced ~= nil and (conditions.Synced.reason == "HeldBack" or conditions.Synced.reason == "Observing") then
  return health("Healthy", "Synced", "A change is held back")
end
return health("Progressing", is_true("Reconciling") and "Reconciling" or "Ready", "Waiting for AWS")
