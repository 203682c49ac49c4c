-- What Lua asks of libcrypto: published test vectors, and what is no base64.

local core = require "leadcat.core"

local function unhex(digits)
  return (digits:gsub("%s", ""):gsub("..", function(two)
    return string.char(tonumber(two, 16))
  end))
end

describe("core.sha256", function()
  for _, row in ipairs { -- FIPS 180-4's examples
    { "", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" },
    { "abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" },
    { "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
      "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1" },
    { ("a"):rep(1000000), "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0" },
  } do
    it("of " .. #row[1] .. " bytes is the published one", function()
      assert.equal(row[2], core.hex(core.sha256(row[1])))
    end)
  end
end)

describe("core.hmac_sha256", function()
  for i, row in ipairs { -- RFC 4231, sections 4.2 to 4.8, without the truncated one
    { ("0b"):rep(20), "Hi There", "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7" },
    { "4a656665", "what do ya want for nothing?",
      "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843" },
    { ("aa"):rep(20), ("\221"):rep(50),
      "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe" },
    { "0102030405060708090a0b0c0d0e0f10111213141516171819", ("\205"):rep(50),
      "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b" },
    { ("aa"):rep(131), "Test Using Larger Than Block-Size Key - Hash Key First",
      "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54" },
    { ("aa"):rep(131), "This is a test using a larger than block-size key and a larger than block-size data. "
      .. "The key needs to be hashed before being used by the HMAC algorithm.",
      "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2" },
  } do
    it("is RFC 4231's, vector " .. i, function()
      assert.equal(row[3], core.hex(core.hmac_sha256(unhex(row[1]), row[2])))
    end)
  end

  it("takes an empty key and empty data", function()
    assert.equal("b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad", core.hex(core.hmac_sha256("", "")))
  end)
end)

describe("core.pbkdf2_sha256", function()
  it("is RFC 7914's, section 11", function()
    assert.equal("55ac046e56e3089fec1691c22544b605f94185216dde0465e68b9d57c20dacbc",
      core.hex(core.pbkdf2_sha256("passwd", "salt", 1)))
    assert.equal("4ddcd8f60b98be21830cee5ef22701f9641a4418d04c0414aeff08876b34ab56",
      core.hex(core.pbkdf2_sha256("Password", "NaCl", 80000)))
  end)

  it("gives RFC 7677's server signature", function()
    local key = core.pbkdf2_sha256("pencil", core.unbase64 "W22ZaJ0SNY7soEsUEjb6gQ==", 4096)
    local nonce = "rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
    local messages = "n=user,r=rOprNGfwEbeRWgbNEkqO,r=" .. nonce
      .. ",s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096,c=biws,r=" .. nonce
    assert.equal("6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=",
      core.base64(core.hmac_sha256(core.hmac_sha256(key, "Server Key"), messages)))
  end)

  it("refuses no iterations", function()
    assert.error_matches(function()
      core.pbkdf2_sha256("a", "b", 0)
    end, "at least one iteration")
  end)
end)

describe("core.equal", function()
  it("compares texts of any length, byte by byte", function()
    assert.is_true(core.equal("", ""))
    assert.is_true(core.equal("a\0b", "a\0b"))
    for _, row in ipairs { { "a", "" }, { "a\0b", "a\0c" }, { "a", "aa" }, { ("x"):rep(99), ("x"):rep(98) .. "y" } } do
      assert.is_false(core.equal(row[1], row[2]))
      assert.is_false(core.equal(row[2], row[1]))
    end
  end)
end)

describe("core.random_bytes", function()
  it("gives as many as asked for, others each time", function()
    assert.equal(1, #core.random_bytes(1))
    assert.equal(256, #core.random_bytes(256))
    assert.not_equal(core.random_bytes(16), core.random_bytes(16))
    for _, count in ipairs { 0, -1, 257 } do
      assert.error_matches(function()
        core.random_bytes(count)
      end, "1 to 256 bytes")
    end
  end)
end)

describe("base64", function()
  it("is RFC 4648's, section 10, both ways", function()
    local texts = { [""] = "", f = "Zg==", fo = "Zm8=", foo = "Zm9v", foob = "Zm9vYg==",
      fooba = "Zm9vYmE=", foobar = "Zm9vYmFy" }
    for data, text in pairs(texts) do
      assert.equal(text, core.base64(data))
      assert.equal(data, core.unbase64(text))
    end
  end)

  it("gives back what it was given, of all sizes and bytes", function()
    for size = 0, 300 do
      local data = size == 0 and "" or core.random_bytes(math.min(size, 256)) .. ("\0"):rep(size - 256)
      assert.equal(data, core.unbase64(core.base64(data)))
    end
  end)

  for _, text in ipairs { "Z", "Zg", "Zg=", "Zg===", "====", "=", "Zm=v", " Zg==", "Zg== ", "Zg==\n",
    "Zm9v\nZm9v", "Zm9-", "Zm9_",
    "Zm9v\0", "Zg==Zg==", "Z===", "Zm\2559v" } do
    it("is not " .. ("%q"):format(text), function()
      assert.is_nil(core.unbase64(text))
    end)
  end
end)

describe("core.hex", function()
  it("has two digits a byte", function()
    assert.equal("", core.hex "")
    assert.equal("00ff7a", core.hex "\0\255z")
  end)
end)
