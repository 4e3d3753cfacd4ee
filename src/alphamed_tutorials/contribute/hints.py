"""What each section of an example's two pages has to say, for those who write them."""

HINTS = {
    "zh": {
        "title": "网页描述写进 description；速览写全；说明代码从上到下是一个程序，并链接 Notebook",
        # 第二页：改造成联邦学习
        "start": "造出三个数据方和一个聚合方；后面要用到第一页的哪些部分；要改造的是哪个程序",
        "verify": "这种数据会坏成什么样，验证怎样认出来；弄坏一个文件，看它怎么说",
        "federated": "改造这个程序时，与 MNIST 示例相比有什么不同",
        "side-by-side": "左右对照，指出变了哪几行",
        "scheduler": "带注解的完整调度器；注解只讲这里特有的",
        "changes": "表里的各行来自原示例：改成这个示例的",
        "one-node": "一个数据方为什么应当与集中训练逐位相同",
        "round": "一个轮次里发生什么；与 MNIST 示例相同，就链接过去，去掉本节",
        "run": "运行它；输出里该看什么",
        "results": "指标怎样取出来；内嵌数据的数字说明什么，不说明什么",
        "how-sure": "数字有多可靠：测试数据里什么是互相独立的，区间有多宽",
        "export": "导出的模型要什么输入，给出什么，谁可以用",
        "alphamed": "在平台上与 MNIST 示例不同的地方；数据文件放在哪里",
        "trouble": "表里的各行来自原示例：留下成立的，加上这种数据特有的；不报错的排在前面，每条隐患都有测试",
        "exercises": "三到五道题，用 ??? question 写，答案折叠",
        "next": "接着读什么",
        # 第一页：看懂程序
        "problem": "输入什么，输出什么，为什么值得做；原来的程序在哪里",
        "data": "数据怎样变成张量；从哪里来，怎样下载",
        "bytes": "文件里是什么，怎样读，坏了怎样认出来",
        "dataset": "Dataset 和 DataLoader 做了什么选择，为什么",
        "model": "网络由哪些部分组成，每一步的形状，参数有多少；画一张图",
        "loss": "为什么用这个损失函数和优化器，公式是什么",
        "autograd": "训练的一步、推理的一步，各自要当心什么",
        "centralised": "集中训练的完整程序和它的结果",
    },
    "en": {
        "title": "write the description; fill in what is seen at a glance; say that the code is one program from top to "
        "bottom, and link the notebook",
        # the second page: make it federated
        "start": "make three data owners and an aggregator; what of the first page is used below; which program is changed",
        "verify": "how data of this kind go wrong, and how verification sees it; damage a file and show what it says",
        "federated": "what changing this program takes beside what the MNIST guide says",
        "side-by-side": "say which lines differ",
        "scheduler": "the whole scheduler; its annotations say only what is special here",
        "changes": "the rows come from the example it was copied from: make them this example's",
        "one-node": "why one data owner has to give centralised training, bit for bit",
        "round": "what happens in a round; where it is as in the MNIST guide, link that and remove this section",
        "run": "run it, and say what to look at in the output",
        "results": "how to read the metrics; what the figures of embedded data say, and what they do not",
        "how-sure": "how sure the figure is: what in the test data is independent, and how wide the interval is",
        "export": "what the exported model takes and gives, and who can use it",
        "alphamed": "what differs on the platform from the MNIST guide; where the data files go",
        "trouble": "the rows come from the example it was copied from: keep what holds, add what is special about these "
        "data; what raises no error comes first, and every hazard has a test",
        "exercises": "three to five questions, each a ??? question with its answer folded",
        "next": "what to read next",
        # the first page: understand the program
        "problem": "what goes in, what comes out, why it is worth doing; where the original program is",
        "data": "how data become tensors; where they come from, and how to download them",
        "bytes": "what the files hold, how they are read, how damage is noticed",
        "dataset": "what the Dataset and the DataLoader choose, and why",
        "model": "the network's parts, the shape after each step, the number of parameters; draw a figure",
        "loss": "why this loss and this optimizer, with their formulas",
        "autograd": "a step of training and a step of inference, and what to mind in each",
        "centralised": "the whole centralised program and its result",
    },
}
OTHERWISE = {"zh": "这一节要讲什么", "en": "what this section has to say"}


def hint_of(anchor: str, language: str) -> str:
    """Return the mark that stands in a section until it is written."""
    return f"<!-- TODO: {HINTS[language].get(anchor, OTHERWISE[language])} -->"
