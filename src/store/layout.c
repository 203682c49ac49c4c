#include "layout.h"

const char *const lc_part_files[LC_PARTS] = { "config.mdb", "journal.mdb" };

static const struct {
  const char *name;
  lc_part part;
} tables[LC_TABLES] = {
  [LC_TABLE_RULESETS] = { "rulesets", LC_PART_CONFIG },
  [LC_TABLE_CONFIGS] = { "configs", LC_PART_CONFIG },
  [LC_TABLE_REVISIONS] = { "revisions", LC_PART_CONFIG },
  [LC_TABLE_TRIGGERS] = { "triggers", LC_PART_CONFIG },
  [LC_TABLE_IDENTITY] = { "identity", LC_PART_CONFIG },
  [LC_TABLE_META] = { "meta", LC_PART_JOURNAL },
  [LC_TABLE_JOURNAL] = { "journal", LC_PART_JOURNAL },
  [LC_TABLE_BY_COMPANY] = { "by_company", LC_PART_JOURNAL },
  [LC_TABLE_APPLYING] = { "applying", LC_PART_JOURNAL },
  [LC_TABLE_SEEN] = { "seen", LC_PART_JOURNAL },
  [LC_TABLE_MARKS] = { "marks", LC_PART_JOURNAL },
  [LC_TABLE_CONFIRMATIONS] = { "confirmations", LC_PART_JOURNAL },
  [LC_TABLE_QUESTIONS] = { "questions", LC_PART_JOURNAL },
  [LC_TABLE_EXPIRING] = { "expiring", LC_PART_JOURNAL },
  [LC_TABLE_SCHEDULED] = { "scheduled", LC_PART_JOURNAL },
  [LC_TABLE_DRAFTS] = { "drafts", LC_PART_JOURNAL },
  [LC_TABLE_HELD] = { "held", LC_PART_JOURNAL },
  [LC_TABLE_LIMITS] = { "limits", LC_PART_JOURNAL },
  [LC_TABLE_COUNTERS] = { "counters", LC_PART_JOURNAL },
  [LC_TABLE_UNCHANGED] = { "unchanged", LC_PART_JOURNAL },
  [LC_TABLE_UNCHANGED_BY_COMPANY] = { "unchanged_by_company", LC_PART_JOURNAL },
  [LC_TABLE_NOTES] = { "notes", LC_PART_JOURNAL },
  [LC_TABLE_CHANGES] = { "changes", LC_PART_JOURNAL },
  [LC_TABLE_DAILY] = { "daily", LC_PART_JOURNAL },
  [LC_TABLE_DELIVERIES] = { "deliveries", LC_PART_JOURNAL },
  [LC_TABLE_DELIVERED] = { "delivered", LC_PART_JOURNAL },
  [LC_TABLE_WAITING] = { "waiting", LC_PART_JOURNAL },
  [LC_TABLE_COMPANIES] = { "companies", LC_PART_JOURNAL },
};

const char *lc_table_name(lc_table table) {
  return tables[table].name;
}

lc_part lc_table_part(lc_table table) {
  return tables[table].part;
}
