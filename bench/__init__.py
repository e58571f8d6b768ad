"""What callerid costs, measured beside what people would use instead: ``python -m bench``."""
