"""Sort short radiology-like notes by body part: bag of words with a GRU on top.

The notes are made up from phrases (no real data here); replace make_notes() by your own file of text<TAB>label.
"""

import random
from collections import Counter

import torch
from torch import nn
from torch.nn.utils.rnn import pad_sequence
from torch.utils.data import DataLoader

random.seed(0)
torch.manual_seed(0)

PHRASES = {
    "chest": ["small nodule in the left upper lobe", "no pleural effusion", "heart size is normal", "mild atelectasis"],
    "abdomen": ["liver is of normal size", "no free fluid", "small cyst in the right kidney", "gall bladder is normal"],
    "brain": ["no midline shift", "small lacunar infarct", "ventricles are normal in size", "no haemorrhage seen"],
    "knee": ["small joint effusion", "tear of the medial meniscus", "ligaments are intact", "mild cartilage loss"],
}
FILLER = ["comparison with prior", "technique as usual", "clinical correlation advised", "no other finding"]


def make_notes(n):
    notes = []
    for _ in range(n):
        label = random.choice(list(PHRASES))
        parts = random.sample(PHRASES[label], random.randint(1, 3)) + random.sample(FILLER, random.randint(0, 2))
        random.shuffle(parts)
        words = [w for w in " . ".join(parts).split() if random.random() > 0.15]
        notes.append((" ".join(words) or "no finding", label))
    return notes


def tokenize(s):
    return s.lower().replace(".", " ").split()


data = make_notes(1200)
train, valid = data[:1000], data[1000:]

counter = Counter(w for text, _ in train for w in tokenize(text))
vocab = {"<pad>": 0, "<unk>": 1}
for w, c in counter.most_common():
    if c >= 2:
        vocab[w] = len(vocab)
labels = sorted({y for _, y in train})
label_to_id = {y: i for i, y in enumerate(labels)}

collate = lambda batch: (  # noqa: E731
    pad_sequence([torch.tensor([vocab.get(w, 1) for w in tokenize(t)]) for t, _ in batch], batch_first=True),
    torch.tensor([label_to_id[y] for _, y in batch]),
)


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


net = NoteClassifier(len(vocab), out=len(labels))
optimizer = torch.optim.AdamW(net.parameters(), lr=2e-3)
EPOCHS = 5
loader = DataLoader(train, batch_size=32, shuffle=True, collate_fn=collate)
scheduler = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=5e-3, total_steps=EPOCHS * len(loader))

for epoch in range(EPOCHS):
    net.train()
    for x, y in loader:
        loss = nn.functional.cross_entropy(net(x), y)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
        scheduler.step()
    net.eval()
    with torch.no_grad():
        x, y = collate(valid)
        print(epoch, "loss", round(loss.item(), 4), "valid acc", (net(x).argmax(1) == y).float().mean().item())

torch.save({"model": net.state_dict(), "vocab": vocab, "labels": labels}, "notes.pt")
