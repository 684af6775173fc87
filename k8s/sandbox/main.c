/* The sandbox's command line. */
int main(void)
{
	return 2;
}
