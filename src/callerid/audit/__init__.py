"""The access map, the lock, "no new access" and why: what `callerid.access` gives to users.

This module imports nothing, so that the checks at start-up load `callerid.audit.algebra` alone.

Each module imports only those before it::

    algebra      what rules mean together: a package of its own, and all that the checks at start-up need
    loading      an application by its name, as servers name it
    places       which requests a route is for, and what two routes have in common
    regions      a place taken apart into what nothing tells apart
    index        which of many places may have to do with one
    scope        a route's place among others
    trust        whom the guards believe, as text and back
    rows ← row_sets      the map as data
    front        what stands in front of an application
    lifespan     its start-up, in which it may add routes
    starlette_router     Starlette's own routing, asked what serves
    shadowed     routes that never serve, since others come first
    unguarded ← starlette_unguarded      marks that nobody enforces
    table · starlette · flask · django    the map of each kind of application
    order        which of two routes serves a request that is for both
    serving      who serves a request and what is asked of it, before a change and after
    two_sides    what was asked of a request and what is, as two sides
    shown        the rows as a person reads them: those of routes with what middleware in front asks
    ways         by which credentials those come who may
    reading      the map of whatever application it is
    forms        the map as a table, JSON, Markdown
    lock ← lock_rules        the map as a file to be reviewed, and what has changed since; its rules as code
    locked_routes            the routes of such a file
    applications         an application as it is, and as a lock had it
    changes      the routes at which anybody new could come in
    newcomers    whether anybody may now who could not before
    suite        access tests as data: access.toml (run by `callerid.testing`)
    decision     a decision found again in the log
    log_entries  all decisions of a log, however long it is
    rebuilt      the facts of a decision, as far as its record tells them
    rejudged     what the rules say now about such a decision
    replay       who would now be refused or let in, by a log
    unused       what let nobody in, by a log
"""
