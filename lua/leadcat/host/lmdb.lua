--- The name by which integrators require the embedded host.
return require "leadcat.host.embedded"
