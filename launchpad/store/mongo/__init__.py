"""A MongoDB server as the database. The only package that imports pymongo; others import it when they need it, not before."""

from launchpad.store.mongo.backend import MongoBackend

__all__ = ["MongoBackend"]
