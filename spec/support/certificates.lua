--- Certificates for specs, made by openssl: an authority, and what it has signed.

local certificates = {}

local function run(command)
  local pipe = assert(io.popen("{ " .. command .. "; } 2>&1; echo $?"))
  local output, status = pipe:read "*a":match "^(.-)(%d+)\n$"
  pipe:close()
  assert(status == "0", output)
  return output
end

local KEY = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes"
local CONF = [[
[ca]
default_ca = authority
[authority]
database = index.txt
new_certs_dir = .
policy = policy
copy_extensions = copy
default_md = sha256
rand_serial = yes
unique_subject = no
[policy]
commonName = supplied
]]

--- Makes an authority in a directory: `ca.pem`.
---@param directory string
function certificates.make_authority(directory)
  run(("cd %s && openssl req -x509 %s -keyout ca.key -out ca.pem -days 2 -subj /CN=authority"):format(directory, KEY))
  run(("cd %s && touch index.txt"):format(directory))
  local file = assert(io.open(directory .. "/ca.conf", "w"))
  file:write(CONF)
  file:close()
end

--- Makes a certificate: `NAME.pem` and `NAME.key`.
---@param directory string
---@param name string
---@param alternative string such as "DNS:localhost,IP:127.0.0.1"
---@param how? "self"|"expired" signed by itself; or expired yesterday
---@return string certificate, string key
function certificates.make(directory, name, alternative, how)
  local at = directory .. "/" .. name
  local extension = "-addext subjectAltName=" .. alternative
  if how == "self" then
    run(("openssl req -x509 %s -keyout %s.key -out %s.pem -days 2 -subj /CN=localhost %s"):format(KEY, at, at,
      extension))
    return at .. ".pem", at .. ".key"
  end
  run(("openssl req -new %s -keyout %s.key -out %s.csr -subj /CN=localhost %s"):format(KEY, at, at, extension))
  run(("cd %s && openssl ca -batch -config ca.conf -cert ca.pem -keyfile ca.key -in %s.csr -out %s.pem %s"):format(
    directory, at, at, how == "expired" and "-startdate 20200101000000Z -enddate 20200102000000Z" or "-days 2"))
  return at .. ".pem", at .. ".key"
end

return certificates
