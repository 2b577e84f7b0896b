"""Reports: a page, its figures and its tables, made from a table alone."""

from stance.report.index import write_index
from stance.report.page import write_report

__all__ = ["write_index", "write_report"]
