--- How often a spec does something that it `usually` does so many times: less often under valgrind and the sanitizers,
-- where everything takes long.

local SLOW = os.getenv "LEADCAT_SLOW" ~= nil

---@param usually integer
---@return integer
return function(usually)
  return SLOW and math.ceil(usually / 20) or usually
end
