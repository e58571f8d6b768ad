"""An orders service: who may call what stands at each view, and everything else is closed.

Run it as it would run in production, believing Google and the shop's own Firebase project::

    gunicorn --threads 4 --chdir examples/flask_app app:app

or beside ``callerid issuer``, which prints the two addresses to set (see README.md in this folder).
"""

import os
from collections.abc import Iterator
from functools import partial

from flask import Blueprint, Flask, Response, request, stream_with_context

from callerid import Domain, FirebaseUser, PathParam, Public, ServiceAccount, User, cloud_run, firebase, google
from callerid.flask import Guard, caller
from callerid.issuers import FIREBASE_KEYS, GOOGLE_KEYS

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
)

# --- who may: each of these is a decorator, put below the route's own ---

staff = guard.allow(Domain("example.com"))
owner = guard.allow(FirebaseUser(PathParam("user_id")))
shopper = guard.allow(FirebaseUser(PathParam("user_id"), anonymous=True))
visitor = guard.allow(Public() | FirebaseUser())

app = Flask(__name__)
guard.protect(app, default=Domain("example.com"))  # static files, unknown paths and wrong methods, too

SHOP = "https://shop.example.com"


@app.after_request
def let_the_shops_pages_read(response: Response) -> Response:
    """CORS, for refusals as for any other answer; flask-cors does it as well."""
    response.vary.add("Origin")
    if request.headers.get("Origin") == SHOP:
        response.headers["Access-Control-Allow-Origin"] = SHOP
        response.headers["Access-Control-Allow-Headers"] = "Authorization"
    return response


Order = dict[str, str | int]
ORDERS: dict[str, list[Order]] = {
    "ada": [{"article": "analytical engine", "count": 1}],
    "ben": [{"article": "kite", "count": 2}],
}


# --- everybody ---


@app.get("/health")
@guard.allow(Public())
def health() -> str:
    """Reads no credential at all, and answers while Google's keys cannot be had."""
    return "ok"


@app.get("/products")
@visitor
def products() -> dict[str, str]:
    """Open to strangers; those who are signed in see their own prices."""
    return {"analytical engine": "16500.00" if caller else "17000.00"}


# --- the shop's customers: Firebase users, each for themselves ---


@app.get("/users/<user_id>/orders")
@owner
def orders(user_id: str) -> list[Order]:
    """One's own orders, nobody else's."""
    return ORDERS.get(user_id, [])


@app.post("/users/<user_id>/orders")
@owner
def place_order(user_id: str) -> tuple[Order, int]:
    """The body is read after the caller was let in."""
    order = request.get_json()
    return {"article": str(order["article"]), "count": int(order.get("count", 1))}, 201


@app.get("/users/<user_id>/basket")
@shopper
def basket(user_id: str) -> list[Order]:
    """A basket can be filled before signing up: Firebase's anonymous users have one, too."""
    return []


# --- the shop's staff: the people of one Google Workspace ---


@app.get("/reports/daily")
@staff
def daily_report() -> dict[str, str | int]:
    """How many orders there are."""
    return {"prepared_for": str(caller), "orders": sum(map(len, ORDERS.values()))}


@app.get("/reports/live")
@staff
def live_report() -> Response:
    """A stream of events knows its caller to the end."""

    def events() -> Iterator[str]:
        yield f"data: watching as {caller.email}\n\n"

    return Response(stream_with_context(events()), mimetype="text/event-stream")


@app.post("/catalogue")
@staff
def upload_catalogue() -> dict[str, int]:
    """A refused upload is refused unread."""
    return {"articles": len(request.files["file"].read().splitlines())}


@app.get("/docs")
def docs() -> list[str]:
    """No rule of its own: the default holds."""
    return sorted({rule.rule for rule in app.url_map.iter_rules()})


# --- machines ---


@app.post("/tasks/reindex")
@guard.allow(ServiceAccount("scheduler@shop-prod.iam.gserviceaccount.com"), audience=TASKS)
def reindex() -> tuple[str, int]:
    """For Cloud Scheduler alone, with a token that opens nothing else."""
    return "", 204


# --- one person: a whole blueprint behind one rule ---

admin = Blueprint("admin", __name__, url_prefix="/admin")


@admin.get("/settings")
def settings() -> dict[str, str]:
    """Knows nothing of callers: the rule stands where the blueprint is registered."""
    return {"currency": "EUR"}


app.register_blueprint(guard.allow(User("grace@example.com") & Domain("example.com"))(admin))
