"""The access page: who may call what in an application of one's own, tried out in a browser (``callerid play``).

The application's guards believe a `LocalIssuer` meanwhile, as in ``callerid check``, and its handlers run where that is
safe. The page is served on the loopback interface alone.

Each module imports only those before it::

    routes       the routes of an application as columns, with sample values for path parameters
    named        the Google accounts that the rules name, as personas
    people       who calls: personas of access.toml, ones made on the spot, pasted tokens
    sending      what callers send: minted for the guards, or pasted
    hearing      what the guards decide about one call, heard while it runs
    answers      what came of one call
    runner       an application that is called: on an event loop of its own, or in threads
    outcomes     what came of a call, as a cell of the table has it
    tokens       the claims of a credential: fact, or somebody's word
    comparing    what changes against a lock
    decisions    the decision log, kept in memory
    session      all of it together: an application that is played with
    markup       HTML that is escaped where it is made
    matrix · panel · forms      the table; one cell explained; who else calls
    page         the whole page
    security     which requests the page answers, and the headers of its answers
    web          the page as an application
    serving      the page on the loopback interface
"""
