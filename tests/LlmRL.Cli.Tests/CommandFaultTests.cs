namespace LlmRL.Cli.Tests;

/// <summary>Faults of the smaller commands.</summary>
public sealed class CommandFaultTests : IDisposable
{
    private readonly Workplace place = new();

    public void Dispose() => place.Dispose();

    [Fact]
    public void Unknown_commands_and_options_are_named()
    {
        place.Run().Refused("--help");
        place.Run("rum").Refused("rum", "--help");
        place.Run("run", "recipe.yaml", "--sed", "2").Refused("--sed", "--help");
        place.Run("generate", "--model", "m", "--prompt", "a", "--n", "two").Refused("'two'", "--n", "whole number");
        place.Run("generate", "--model", "m", "--prompt", "a", "--top-p", "high").Refused("'high'", "--top-p", "a number");
        place.Run("generate", "--prompt", "a").Refused("--model");
    }

    [Theory]
    [InlineData("either --prompt TEXT or --prompts FILE", "generate", "--model", "nowhere")]
    [InlineData("either --prompt TEXT or --prompts FILE", "generate", "--model", "nowhere", "--prompt", "a", "--prompts", "b")]
    [InlineData("nowhere: no such model folder", "generate", "--model", "nowhere", "--prompt", "a")]
    [InlineData("none.txt: no such file", "generate", "--model", "nowhere", "--prompts", "none.txt")]
    [InlineData("broken.txt:2: ", "generate", "--model", "nowhere", "--prompts", "broken.txt")]
    [InlineData("--n 0", "generate", "--model", "nowhere", "--prompt", "a", "--n", "0")]
    [InlineData("--gold", "verify", "--answer", "2")]
    [InlineData("none.jsonl: no such file", "verify", "--file", "none.jsonl")]
    [InlineData("broken.txt:1: ", "verify", "--file", "broken.txt")]
    [InlineData("nogold.jsonl:2: ", "verify", "--file", "nogold.jsonl")]
    [InlineData("nowhere", "tokenize", "--tokenizer", "nowhere")]
    [InlineData("arithmetic/tset", "data", "inspect", "arithmetic/tset")]
    [InlineData("none.jsonl", "data", "inspect", "none.jsonl")]
    [InlineData("arithmatic", "data", "inspect", "arithmatic")]
    [InlineData("broken.txt", "data", "inspect", "broken.txt")]
    public void A_fault_gives_one_message(string text, params string[] arguments)
    {
        place.Write("broken.txt", "not json\n\"torn\n");
        place.Write("nogold.jsonl", "{\"gold\":\"1\",\"answer\":\"1\"}\n{\"answer\":\"1\"}\n");
        place.Run(arguments).RefusedInOneLine(text);
    }

    [Theory]
    [InlineData("[1, 2\n", "standard input:1: ", "ids")]
    [InlineData("[65]\n[1000000]\n", "standard input:2: ", "1000000")]
    [InlineData("[65]\nnull\n", "standard input:2: ", "ids")]
    public void Lines_that_are_no_ids_are_named(string input, params string[] texts) =>
        Llmrl.RunWithInput(place.Root, input, "tokenize", "--tokenizer", "bytes", "--decode").RefusedInOneLine(texts);
}
