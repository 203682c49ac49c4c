--- The name by which integrators require the question as a dialog.
return require "leadcat.pages.confirmation"
