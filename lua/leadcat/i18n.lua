--- The name by which integrators require the texts.
return require "leadcat.words.i18n"
