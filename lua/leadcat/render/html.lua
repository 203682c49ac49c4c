--- The name by which integrators require HTML as Lua values.
return require "leadcat.pages.html"
