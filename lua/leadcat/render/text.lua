--- The name by which integrators require the question as text.
return require "leadcat.words.text"
