"""train.py as a federated task: which part of the body is a note about?"""

import logging
from pathlib import Path

import torch
from alphafed.fed_avg import FedAvgScheduler
from torch import nn
from torch.nn.utils.rnn import pad_sequence
from torch.utils.data import DataLoader

try:
    from alphafed.scheduler import DataChecker
except ImportError:  # an older SDK has none
    DataChecker = object

DATA_DIR = "/data/alphamed-federated-dataset/notes"

LABELS = ["abdomen", "brain", "chest", "knee"]
# Agreed on by the clinics, from phrases that all use: no list of words that only one clinic's patients brought.
WORDS = """
advised as atelectasis bladder cartilage clinical comparison correlation cyst effusion finding fluid free gall
haemorrhage heart in infarct intact is joint kidney lacunar left ligaments liver lobe loss medial meniscus midline mild
no nodule normal of other pleural prior right seen shift size small tear technique the upper usual ventricles with are
""".split()  # noqa: SIM905
VOCABULARY = {word: number for number, word in enumerate(["<pad>", "<unk>", *WORDS])}


def tokenize(text):
    return text.lower().replace(".", " ").split()


def read_samples(file):
    rows = [line.split("\t") for line in file.read_text("utf-8").splitlines()]
    return [(text, LABELS.index(label)) for text, label in rows]


def collate(batch):
    numbers = [torch.tensor([VOCABULARY.get(word, 1) for word in tokenize(text)]) for text, _ in batch]
    return pad_sequence(numbers, batch_first=True), torch.tensor([label for _, label in batch])


class DatasetVerify(DataChecker):
    data_dir = DATA_DIR
    required_splits = ("train",)

    def __init__(self, task_id, current_node):
        self.task_id, self.current_node = task_id, current_node

    def run(self):
        is_sound, reason = self.verify_data()
        logging.getLogger("app").info(reason)
        return is_sound

    def verify_data(self):
        for split in self.required_splits:
            file = Path(self.data_dir) / f"{split}.tsv"
            try:
                if not file.read_bytes().endswith(b"\n"):
                    return False, f"{file}: the last line is cut off"
                samples = read_samples(file)
            except Exception as error:  # the kind alone: its text could quote a note
                return False, f"{file}: {type(error).__name__}"
            if not samples:
                return False, f"{file}: holds no note"
            for number, (text, _) in enumerate(samples, start=1):
                words = tokenize(text)
                if not words or sum(word in VOCABULARY for word in words) < len(words) / 2:
                    return False, f"{file}: line {number} is no note in the agreed words"
        return True, "the data are sound"


class NoteClassifier(nn.Module):
    def __init__(self, vocab_size, emb=32, hidden=32, out=4):
        super().__init__()
        self.emb = nn.Embedding(vocab_size, emb, padding_idx=0)
        self.gru = nn.GRU(emb, hidden, batch_first=True, bidirectional=True)
        self.head = nn.Linear(2 * hidden, out)

    def forward(self, x):
        h, _ = self.gru(self.emb(x))
        mask = (x != 0).unsqueeze(-1)
        h = h.masked_fill(~mask, -1e9).max(dim=1).values
        return self.head(h)


class NoteScheduler(FedAvgScheduler):
    data_dir = DATA_DIR

    def __init__(self, max_rounds=8, learning_rate=5e-3, batch_size=32, seed=0):
        super().__init__(max_rounds=max_rounds, log_rounds=1)
        self.learning_rate, self.batch_size, self.seed = learning_rate, batch_size, seed

    def build_model(self):
        torch.manual_seed(self.seed)
        return NoteClassifier(len(VOCABULARY), out=len(LABELS))

    def build_optimizer(self, model):
        return torch.optim.AdamW(model.parameters(), lr=self.learning_rate)

    def build_train_dataloader(self):
        samples = read_samples(Path(self.data_dir) / "train.tsv")
        return DataLoader(samples, self.batch_size, shuffle=True, collate_fn=collate)

    def build_test_dataloader(self):
        return DataLoader(read_samples(Path(self.data_dir) / "test.tsv"), 1000, collate_fn=collate)

    def train_an_epoch(self):
        self.model.train()
        share = (self.current_round - 1) / self.max_rounds  # OneCycleLR counted steps, which differ between nodes
        for group in self.optimizer.param_groups:
            group["lr"] = self.learning_rate * (1 - share)
        for x, y in self.train_loader:
            loss = nn.functional.cross_entropy(self.model(x), y)
            self.optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
            self.optimizer.step()
        self.tb_writer.add_scalar("train/loss", loss.item(), self.current_round)

    @torch.no_grad()
    def run_test(self):
        self.model.eval()
        correct = sum((self.model(x).argmax(1) == y).sum().item() for x, y in self.test_loader)
        self.tb_writer.add_scalar("test/accuracy", correct / len(self.test_loader.dataset), self.current_round)
