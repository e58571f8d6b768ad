"""An orders service: who may call what stands at each route, and everything else is closed.

Run it as it would run in production, believing Google and the shop's own Firebase project::

    uvicorn app:app --app-dir examples/fastapi_app

or beside ``callerid issuer``, which prints the two addresses to set (see README.md in this folder).
"""

import os
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from functools import partial
from typing import TYPE_CHECKING, Annotated

from fastapi import FastAPI, UploadFile, WebSocket
from fastapi.middleware.cors import CORSMiddleware
from pydantic import BaseModel

from callerid import (
    Caller,
    Domain,
    FirebaseUser,
    Lookup,
    PathParam,
    Public,
    Role,
    ServiceAccount,
    User,
    cloud_run,
    firebase,
    google,
)
from callerid.fastapi import Guard
from callerid.issuers import FIREBASE_KEYS, GOOGLE_KEYS

if TYPE_CHECKING:
    from sqlalchemy import Engine

# --- what no token says: the roles of the staff, in a table of the shop's database ---

ROLES = "SELECT role FROM roles WHERE email = :email"
MADE_UP = """
CREATE TABLE roles (email TEXT NOT NULL, role TEXT NOT NULL, PRIMARY KEY (email, role));
INSERT INTO roles VALUES ('grace@example.com', 'catalogue'), ('sam@example.com', 'reports');
"""
ROLES_MAX_AGE = float(os.environ.get("ROLES_MAX_AGE", "60"))
database: "Engine | None" = None  # without DATABASE_URL: SQLite, in memory, with what is made up above
if url := os.environ.get("DATABASE_URL"):
    import sqlalchemy

    # A connection that broke while it was idle is replaced before it is used.
    database = sqlalchemy.create_engine(url, pool_pre_ping=True)


def roles_of(person: Caller) -> set[str]:
    """Runs in a thread, where a rule needs a role. What it raises is an outage: 503 once the last answer is too old."""
    if database is None:
        with closing(sqlite3.connect(":memory:")) as made_up:
            made_up.executescript(MADE_UP)
            return {role for (role,) in made_up.execute(ROLES, {"email": person.email})}
    with database.connect() as connection:
        return set(connection.scalars(sqlalchemy.text(ROLES), {"email": person.email}))


# --- whom we believe ---

SERVICE = "https://orders.example.com"  # services mint tokens for the URL they call,
WEBSITE = "1234-abc.apps.googleusercontent.com"  # people get theirs for an OAuth client id
TASKS = f"{SERVICE}/tasks"

# A private Cloud Run service sees tokens whose signature its front door has checked and removed; developers call it
# with those of `gcloud auth print-identity-token`.
believed = partial(cloud_run, gcloud=True) if "K_SERVICE" in os.environ else google
guard = Guard(
    believed(SERVICE, WEBSITE, keys=os.environ.get("GOOGLE_KEYS_URL", GOOGLE_KEYS)),
    firebase("shop-prod", keys=os.environ.get("FIREBASE_KEYS_URL", FIREBASE_KEYS)),
    lookups=[Lookup("roles", roles_of, max_age=ROLES_MAX_AGE, stale=10 * ROLES_MAX_AGE)],
)

# --- who may: each of these is a parameter's type ---

Staff = Annotated[Caller, guard.allow(Domain("example.com"))]
Keeper = Annotated[Caller, guard.allow(Domain("example.com") & Role("catalogue"))]
Owner = Annotated[Caller, guard.allow(FirebaseUser(PathParam("user_id")))]
Shopper = Annotated[Caller, guard.allow(FirebaseUser(PathParam("user_id"), anonymous=True))]
Visitor = Annotated[Caller | None, guard.allow(Public() | FirebaseUser())]


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[None]:
    """Fetch the keys before the first request, not during it."""
    await guard.awarm()
    yield
    if database is not None:
        database.dispose()


app = FastAPI(title="Orders", lifespan=lifespan)
app.add_middleware(
    CORSMiddleware, allow_origins=["https://shop.example.com"], allow_methods=["*"], allow_headers=["Authorization"]
)
guard.protect(app, default=Domain("example.com"))  # the documentation, unknown paths and wrong methods, too


class Order(BaseModel):
    """What somebody bought."""

    article: str
    count: int = 1


class Price(BaseModel):
    """What an article costs."""

    euros: str


ORDERS: dict[str, list[Order]] = {"ada": [Order(article="analytical engine")], "ben": [Order(article="kite", count=2)]}


# --- everybody ---


@app.get("/health")
@guard.allow(Public())
def health() -> str:
    """Reads no credential at all, and answers while Google's keys cannot be had."""
    return "ok"


@app.get("/products")
def products(visitor: Visitor) -> dict[str, str]:
    """Open to strangers; those who are signed in see their own prices."""
    return {"analytical engine": "17000.00" if visitor is None else "16500.00"}


# --- the shop's customers: Firebase users, each for themselves ---


@app.get("/users/{user_id}/orders")
def orders(user_id: str, caller: Owner) -> list[Order]:
    """One's own orders, nobody else's."""
    return ORDERS.get(user_id, [])


@app.post("/users/{user_id}/orders", status_code=201)
def place_order(user_id: str, order: Order, caller: Owner) -> Order:
    """The body is read after the caller was let in."""
    return order


@app.get("/users/{user_id}/basket")
def basket(user_id: str, caller: Shopper) -> list[Order]:
    """A basket can be filled before signing up: Firebase's anonymous users have one, too."""
    return []


# --- the shop's staff: the people of one Google Workspace ---


@app.get("/reports/daily")
async def daily_report(caller: Staff) -> dict[str, str | int]:
    """How many orders there are."""
    return {"prepared_for": str(caller), "orders": sum(map(len, ORDERS.values()))}


@app.websocket("/reports/live")
async def live_report(socket: WebSocket, caller: Staff) -> None:
    """Judged before the handshake is accepted."""
    await socket.accept()
    await socket.send_json({"watching": caller.email})
    await socket.close()


@app.post("/catalogue")
async def upload_catalogue(file: UploadFile, caller: Staff) -> dict[str, int]:
    """A refused upload is refused unread."""
    return {"articles": len((await file.read()).splitlines())}


@app.put("/products/{article}")
def set_price(article: str, price: Price, caller: Keeper) -> Price:
    """For those of the staff to whom the database gives the role. The others are told that they may not."""
    return price


# --- machines ---


@app.post("/tasks/reindex", status_code=204)
@guard.allow(ServiceAccount("scheduler@shop-prod.iam.gserviceaccount.com"), audience=TASKS)
def reindex() -> None:
    """For Cloud Scheduler alone, with a token that opens nothing else."""


# --- one person: a whole application of its own, behind one rule ---

admin = FastAPI(title="Orders, behind the counter")


@admin.get("/settings")
def settings() -> dict[str, str]:
    """Knows nothing of callers: the rule stands where it is mounted."""
    return {"currency": "EUR"}


app.mount("/admin", guard.allow(User("grace@example.com") & Domain("example.com"))(admin))
