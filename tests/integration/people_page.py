"""What the tests of /admin/people share: the page's link, an invitation by its form, and how a person stands."""

import re

NEW_PASSWORD = "purple lamps under the harbour"


def link_on(page):
    """The path of the one-time link that the page shows."""
    (path,) = re.findall(r"http://localhost(/welcome/[\w-]{43})<", page.text)
    return path


def invite(boss, email="new@example.com", *, role="agent", name=""):
    return boss.post("/admin/people", email=email, display_name=name, role=role)


def standing(owner, tenant_id, email):
    """(role in force, role that is not, why) of a person in a tenant."""
    return owner.execute(
        """
        SELECT m.role, a.role, a.because
        FROM app_user AS u
        LEFT JOIN membership AS m ON m.user_id = u.id AND m.tenant_id = %s
        LEFT JOIN absent_member AS a ON a.user_id = u.id AND a.tenant_id = %s
        WHERE u.email = %s
        """,
        (tenant_id, tenant_id, email),
    ).fetchone()


def deeds(owner, tenant_id):
    return [
        row[0]
        for row in owner.execute("SELECT deed FROM audit_log WHERE tenant_id = %s ORDER BY id", (tenant_id,)).fetchall()
    ]


def is_in(visitor):
    return visitor.get("/inbox").status_code == 200
